package guest

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"github.com/tetratelabs/wazero/api"

	"cloakroom/hostsim/internal/abi"
)

// maxTraced is the number of bytes of a string that a trace shows.
const maxTraced = 256

// tracer writes a line for each call into a guest and out of it, indented by the depth of
// the calls. Without a sink it does nothing.
type tracer struct {
	sink   func(line string)
	prefix string
	depth  int
}

// newTracer returns the tracer of a VM. Its lines begin with "trial" for base VMs and
// canaries, and with the number of the worker if the host has several.
func newTracer(rt *Runtime, worker int) tracer {
	t := tracer{sink: rt.Trace}
	switch {
	case worker < 0:
		t.prefix = "trial "
	case rt.NameWorkers:
		t.prefix = fmt.Sprintf("worker %d ", worker)
	}
	return t
}

// line writes one line.
func (t *tracer) line(text string) {
	t.sink(t.prefix + strings.Repeat("  ", t.depth) + text)
}

// enter writes that a callback begins.
func (t *tracer) enter(fn api.Function, args []uint64) {
	if t.sink == nil {
		return
	}
	list := make([]string, len(args))
	for i, a := range args {
		list[i] = strconv.FormatUint(a, 10)
	}
	t.line(exportName(fn) + "(" + strings.Join(list, ", ") + ")")
	t.depth++
}

// leave writes what a callback returned, or that it trapped.
func (t *tracer) leave(fn api.Function, result uint64, trapped bool) {
	if t.sink == nil {
		return
	}
	switch {
	case trapped:
		t.line("trap")
	case len(fn.Definition().ResultTypes()) > 0:
		t.line("= " + strconv.FormatUint(uint64(uint32(result)), 10))
	}
	t.depth--
}

// exportName returns the name under which the module exports a function.
func exportName(fn api.Function) string {
	if names := fn.Definition().ExportNames(); len(names) > 0 {
		return names[0]
	}
	return fn.Definition().DebugName()
}

// hostCall writes a host call with its arguments, its status and its results. It leaves
// out WASI, which a language's runtime calls when it likes.
func (t *tracer) hostCall(m memory, s Shape, name, arguments string, args []uint64, status abi.Status) {
	if t.sink == nil || !strings.HasPrefix(name, "proxy_") {
		return
	}
	line := name + "(" + arguments + ") = " + status.String()
	if status == abi.OK {
		line += results(m, s, args)
	}
	t.line(line)
}

// arguments renders what the guest passed. It must be called before the host call, which
// may change the memory.
func (t *tracer) arguments(m memory, s Shape, args []uint64) string {
	if t.sink == nil {
		return ""
	}
	var list []string
	for _, letter := range s {
		a := args[0]
		switch letter {
		case 'n':
			list = append(list, strconv.FormatInt(int64(int32(a)), 10))
		case 'N':
			list = append(list, strconv.FormatInt(int64(a), 10))
		case 'l':
			list = append(list, abi.Level(uint32(a)).String())
		case 'm':
			list = append(list, abi.NameOf(abi.MapNames[:], a))
		case 'b':
			list = append(list, abi.NameOf(abi.BufferNames[:], a))
		case 't':
			list = append(list, abi.NameOf(abi.StreamNames[:], a))
		case 's', 'p', 'h':
			list = append(list, bytesAt(m, letter, a, args[1]))
		}
		args = args[len(shapes[letter]):]
	}
	return strings.Join(list, ", ")
}

// results renders what the host wrote at the addresses that the guest passed.
func results(m memory, s Shape, args []uint64) string {
	var out strings.Builder
	for _, letter := range s {
		at := uint32(args[0])
		switch letter {
		case 'S', 'P':
			address, _ := m.ReadUint32Le(at)
			size, _ := m.ReadUint32Le(uint32(args[1]))
			out.WriteString(", " + bytesAt(m, letter, uint64(address), uint64(size)))
		case '4':
			n, _ := m.ReadUint32Le(at)
			fmt.Fprintf(&out, ", %d", n)
		case '8':
			n, _ := m.ReadUint64Le(at)
			fmt.Fprintf(&out, ", %d", n)
		}
		args = args[len(shapes[letter]):]
	}
	return out.String()
}

// bytesAt renders a string, pairs or a path in the guest's memory.
func bytesAt(m memory, letter rune, address, size uint64) string {
	text, found := m.Text(address, size)
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

// quote returns text in quotes, cut off after maxTraced bytes.
func quote(text string) string {
	if len(text) > maxTraced {
		return fmt.Sprintf("%q… (%d bytes)", text[:maxTraced], len(text))
	}
	return strconv.Quote(text)
}
