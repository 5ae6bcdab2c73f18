package session

// Noticer is a part of a store, or of what belongs to it, that may work in a degraded way.
type Noticer interface {
	// Notices returns what is degraded now, and what to do about it: sentences for an operator,
	// without secrets.
	Notices() []string
}

// Notices returns the notices of all parts that are Noticers.
func Notices(parts ...any) (all []string) {
	for _, p := range parts {
		if n, ok := p.(Noticer); ok {
			all = append(all, n.Notices()...)
		}
	}
	return all
}
