package service

import (
	"slices"
	"strings"
	"sync"

	"cloakroom/api"
)

// lackingAttributes are attributes that calls have named and no account has. The zero value is
// ready.
type lackingAttributes struct {
	mu    sync.Mutex
	names []string
}

// set notes which of the names that a call has are lacking.
func (l *lackingAttributes) set(names, lacking []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.names)+len(lacking) == 0 {
		return
	}
	l.names = slices.DeleteFunc(l.names, func(name string) bool { return slices.Contains(names, name) })
	l.names = append(l.names, lacking...)
	slices.Sort(l.names)
	l.names = l.names[:min(len(l.names), api.MaxAttributes)]
}

// warnings returns what an operator has to do about them.
func (l *lackingAttributes) warnings() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.names) == 0 {
		return nil
	}
	return []string{lackingWarning + " (user." + strings.Join(l.names, ", user.") + "); " + lackingHint}
}
