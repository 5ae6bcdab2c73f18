package hostsim

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"github.com/tetratelabs/wazero/api"

	"cloakroom/hostsim/internal/abi"
)

// maxTraced is how many bytes of a string a trace shows.
const maxTraced = 256

// trace gives a line to Config.Trace, indented by how deep in calls it stands. It
// begins with "trial" in a base VM or a canary, and with the worker where there are
// several.
func (v *vm) trace(line string) {
	prefix := ""
	switch {
	case v.worker.index < 0:
		prefix = "trial "
	case v.rt.NameWorkers:
		prefix = fmt.Sprintf("worker %d ", v.worker.index)
	}
	v.rt.Trace(prefix + strings.Repeat("  ", v.depth) + line)
}

// traceEnter says that a callback begins.
func (v *vm) traceEnter(fn api.Function, args []uint64) {
	list := make([]string, len(args))
	for i, a := range args {
		list[i] = strconv.FormatUint(a, 10)
	}
	v.trace(exportName(fn) + "(" + strings.Join(list, ", ") + ")")
}

// traceLeave says what a callback answered, if it can answer.
func (v *vm) traceLeave(fn api.Function, result uint64) {
	v.depth++
	defer func() { v.depth-- }()
	switch {
	case v.failed != nil:
		v.trace("trap")
	case len(fn.Definition().ResultTypes()) > 0:
		v.trace("= " + strconv.FormatUint(uint64(uint32(result)), 10))
	}
}

func exportName(fn api.Function) string {
	if names := fn.Definition().ExportNames(); len(names) > 0 {
		return names[0]
	}
	return fn.Definition().DebugName()
}

// traceCall says what a host call was asked, and what it answered. WASI's calls,
// which a language's runtime makes when it likes, are left out.
func (v *vm) traceCall(h hostCall, name, said string, args []uint64, result uint32) {
	if v.rt.Trace == nil || !strings.HasPrefix(name, "proxy_") {
		return
	}
	line := name + "(" + said + ") = " + abi.Status(result).String()
	if abi.Status(result) == abi.OK {
		line += v.sayResults(h, args)
	}
	v.trace(line)
}

// sayArguments renders what the guest passed, before the call can change it.
func (v *vm) sayArguments(h hostCall, args []uint64) string {
	if v.rt.Trace == nil {
		return ""
	}
	var said []string
	for _, letter := range h.shape {
		a := args[0]
		switch letter {
		case 'n':
			said = append(said, strconv.FormatInt(int64(int32(a)), 10))
		case 'N':
			said = append(said, strconv.FormatInt(int64(a), 10))
		case 'l':
			said = append(said, abi.Level(uint32(a)).String())
		case 'm':
			said = append(said, abi.NameOf(abi.MapNames[:], a))
		case 'b':
			said = append(said, abi.NameOf(abi.BufferNames[:], a))
		case 't':
			said = append(said, abi.NameOf(abi.StreamNames[:], a))
		case 's', 'p', 'h':
			said = append(said, v.sayBytes(letter, a, args[1]))
		}
		args = args[len(shapes[letter]):]
	}
	return strings.Join(said, ", ")
}

// sayResults renders what the host wrote into the places given.
func (v *vm) sayResults(h hostCall, args []uint64) string {
	var said strings.Builder
	for _, letter := range h.shape {
		at := uint32(args[0])
		switch letter {
		case 'S', 'P':
			address, _ := v.mem.ReadUint32Le(at)
			size, _ := v.mem.ReadUint32Le(uint32(args[1]))
			said.WriteString(", " + v.sayBytes(letter, uint64(address), uint64(size)))
		case '4':
			n, _ := v.mem.ReadUint32Le(at)
			fmt.Fprintf(&said, ", %d", n)
		case '8':
			n, _ := v.mem.ReadUint64Le(at)
			fmt.Fprintf(&said, ", %d", n)
		}
		args = args[len(shapes[letter]):]
	}
	return said.String()
}

func (v *vm) sayBytes(letter rune, address, size uint64) string {
	text, found := v.mem.text(address, size)
	switch {
	case !found:
		return fmt.Sprintf("<%d bytes outside the memory>", uint32(size))
	case letter == 'h':
		return strings.Join(abi.SplitPath(text), ".")
	case letter != 'p' && letter != 'P':
		return quote(text)
	}
	var list []string
	for _, p := range abi.UnmarshalPairs([]byte(text)) {
		list = append(list, p.Name+": "+quote(p.Value))
	}
	if n := len(text); list == nil && n >= 4 && binary.LittleEndian.Uint32([]byte(text)) > 0 {
		return fmt.Sprintf("<%d bytes that are no pairs>", n)
	}
	return "{" + strings.Join(list, ", ") + "}"
}

func quote(text string) string {
	if len(text) > maxTraced {
		return fmt.Sprintf("%q… (%d bytes)", text[:maxTraced], len(text))
	}
	return strconv.Quote(text)
}
