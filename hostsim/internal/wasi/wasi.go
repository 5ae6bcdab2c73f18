// Package wasi implements the functions of WASI that Envoy offers to guests.
package wasi

import (
	"crypto/rand"
	"maps"
	"sort"
	"strings"

	"cloakroom/hostsim/internal/abi"
	"cloakroom/hostsim/internal/guest"
)

// Error numbers of WASI (wasi_snapshot_preview1, errno).
const (
	errnoSuccess = 0
	errnoBadF    = 8
	errnoFault   = 21
	errnoInval   = 28
	errnoNoEnt   = 44
	errnoNoSys   = 52
	errnoNotSup  = 58
)

// maxRandom is the number of bytes that one random_get returns at most.
const maxRandom = 64 << 10

// functions are the 18 functions that Envoy has offered since 2024. poll_oneoff returns no
// events, as Envoy does since April 2026; ENOSYS, which it returned before, ends a Go guest.
var functions = map[string]guest.HostCall{
	"fd_write":            {Shape: "nnnn", AtStart: true, Func: fdWrite},
	"fd_read":             {Shape: "nnnn", Func: returns(errnoNoSys)},
	"fd_seek":             {Shape: "nNnn", Func: returns(errnoSuccess)},
	"fd_close":            {Shape: "n", Func: returns(errnoSuccess)},
	"fd_fdstat_get":       {Shape: "nn", AtStart: true, Func: fdFdstatGet},
	"fd_fdstat_set_flags": {Shape: "nn", AtStart: true, Func: returns(errnoNoSys)},
	"environ_get":         {Shape: "nn", AtStart: true, Func: environGet},
	"environ_sizes_get":   {Shape: "nn", AtStart: true, Func: environSizesGet},
	"args_get":            {Shape: "nn", AtStart: true, Func: returns(errnoSuccess)},
	"args_sizes_get":      {Shape: "nn", AtStart: true, Func: argsSizesGet},
	"clock_time_get":      {Shape: "nNn", AtStart: true, Func: clockTimeGet},
	"random_get":          {Shape: "nn", AtStart: true, Func: randomGet},
	"sched_yield":         {Shape: "", Func: returns(errnoSuccess)},
	"poll_oneoff":         {Shape: "nnnn", AtStart: true, Func: pollOneoff},
	"proc_exit":           {Shape: "n", Void: true, Func: procExit},
	"path_open":           {Shape: "nnnnnNNnn", Func: returns(errnoNoEnt)},
	"fd_prestat_get":      {Shape: "nn", AtStart: true, Func: returns(errnoBadF)},
	"fd_prestat_dir_name": {Shape: "nnn", AtStart: true, Func: returns(errnoNoSys)},
}

// later are the shapes of the functions that Envoy added in April 2026, from
// wasi_snapshot_preview1.witx. All return ENOSYS.
var later = map[string]guest.Shape{
	"clock_res_get": "nn", "fd_advise": "nNNn", "fd_allocate": "nNN", "fd_datasync": "n", "fd_fdstat_set_rights": "nNN",
	"fd_filestat_get": "nn", "fd_filestat_set_size": "nN", "fd_filestat_set_times": "nNNn", "fd_pread": "nnnNn",
	"fd_pwrite": "nnnNn", "fd_readdir": "nnnNn", "fd_renumber": "nn", "fd_sync": "n", "fd_tell": "nn",
	"path_create_directory": "nnn", "path_filestat_get": "nnnnn", "path_filestat_set_times": "nnnnNNn",
	"path_link": "nnnnnnn", "path_readlink": "nnnnnn", "path_remove_directory": "nnn", "path_rename": "nnnnnn",
	"path_symlink": "nnnnn", "path_unlink_file": "nnn", "sock_accept": "nnn", "sock_recv": "nnnnnn", "sock_send": "nnnnn",
	"sock_shutdown": "nn",
}

// Functions returns the functions of WASI by name. old leaves out those that Envoy added in
// April 2026.
func Functions(old bool) map[string]guest.HostCall {
	calls := maps.Clone(functions)
	if old {
		return calls
	}
	for name, s := range later {
		calls[name] = guest.HostCall{Shape: s, AtStart: true, Func: returns(errnoNoSys)}
	}
	return calls
}

// returns returns a function that only returns an error number.
func returns(errno uint32) func(*guest.VM, []uint64) uint32 {
	return func(*guest.VM, []uint64) uint32 { return errno }
}

// fdWrite logs standard output at level info and standard error at level error. Envoy logs
// each write as a line of its own; this host logs a line once it ends with a newline.
func fdWrite(v *guest.VM, a []uint64) uint32 {
	level, known := map[uint32]abi.Level{1: abi.Info, 2: abi.Error}[uint32(a[0])]
	if !known {
		return errnoBadF
	}
	text, found := v.Memory.Iovecs(a[1], a[2])
	if !found || !v.Memory.PutUint32(a[3], uint32(len(text))) {
		return errnoFault
	}
	if len(text) > 0 {
		v.Runtime.Log.Write(level, string(text))
	}
	return errnoSuccess
}

func fdFdstatGet(v *guest.VM, a []uint64) uint32 {
	if fd := uint32(a[0]); fd != 1 && fd != 2 {
		return errnoBadF
	}
	const rightToWrite = 64
	v.Memory.PutUint64(a[1], 0)
	v.Memory.PutUint64(a[1]+8, rightToWrite)
	v.Memory.PutUint64(a[1]+16, 0)
	return errnoSuccess
}

// environ returns the VM's environment in alphabetical order.
func environ(v *guest.VM) []string {
	var env []string
	for name, value := range v.Env {
		env = append(env, name+"="+value+"\x00")
	}
	sort.Strings(env)
	return env
}

func environSizesGet(v *guest.VM, a []uint64) uint32 {
	env := environ(v)
	if !v.Memory.PutUint32(a[0], uint32(len(env))) || !v.Memory.PutUint32(a[1], uint32(len(strings.Join(env, "")))) {
		return errnoFault
	}
	return errnoSuccess
}

func environGet(v *guest.VM, a []uint64) uint32 {
	at, text := uint32(a[0]), uint32(a[1])
	for _, e := range environ(v) {
		if !v.Memory.PutUint32(uint64(at), text) || !v.Memory.WriteString(text, e) {
			return errnoFault
		}
		at, text = at+4, text+uint32(len(e))
	}
	return errnoSuccess
}

func argsSizesGet(v *guest.VM, a []uint64) uint32 {
	if !v.Memory.PutUint32(a[0], 0) || !v.Memory.PutUint32(a[1], 0) {
		return errnoFault
	}
	return errnoSuccess
}

// clockTimeGet returns the host's time for both the wall clock (0) and the monotonic clock (1).
func clockTimeGet(v *guest.VM, a []uint64) uint32 {
	if clock := uint32(a[0]); clock > 1 {
		return errnoNotSup
	}
	if !v.Memory.PutUint64(a[2], uint64(v.Runtime.Clock.Now().UnixNano())) {
		return errnoFault
	}
	return errnoSuccess
}

func randomGet(v *guest.VM, a []uint64) uint32 {
	if uint32(a[1]) > maxRandom {
		return errnoInval
	}
	b, found := v.Memory.Read(uint32(a[0]), uint32(a[1]))
	if !found {
		return errnoFault
	}
	_, _ = rand.Read(b) // never fails
	return errnoSuccess
}

func pollOneoff(v *guest.VM, a []uint64) uint32 {
	if !v.Memory.PutUint32(a[3], 0) {
		return errnoFault
	}
	return errnoSuccess
}

// procExit logs the call and returns, as in Envoy.
func procExit(v *guest.VM, a []uint64) uint32 {
	v.Runtime.Log.Add(abi.Trace, "wasi proc_exit")
	return 0
}
