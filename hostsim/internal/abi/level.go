package abi

// Level is a log level.
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

var levelNames = [...]string{"trace", "debug", "info", "warn", "error", "critical"}

// String returns the level's name in lower case, or "unknown".
func (l Level) String() string {
	if l < Trace || l > Critical {
		return "unknown"
	}
	return levelNames[l]
}
