package hostsim

import "cloakroom/hostsim/internal/abi"

// Level is a log level of the proxy-wasm ABI. The zero value is Trace.
type Level int

// The levels, from the least severe on.
const (
	Trace Level = iota
	Debug
	Info
	Warn
	Error
	Critical
)

// String returns the level's name in lower case, or "unknown".
func (l Level) String() string { return abi.Level(l).String() }

// Entry is one line of the log: of the guest, or of the host about the guest.
type Entry struct {
	Level   Level
	Message string
}
