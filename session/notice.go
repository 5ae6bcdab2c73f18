package session

// Noticer is a part of a store, or of what belongs to it, that may work less well than it could.
type Noticer interface {
	// Notices returns what does at present, and what to do about it; sentences for an
	// operator, which hold no secrets.
	Notices() []string
}

// Notices returns the notices of all parts that have some.
func Notices(parts ...any) (all []string) {
	for _, p := range parts {
		if n, ok := p.(Noticer); ok {
			all = append(all, n.Notices()...)
		}
	}
	return all
}
