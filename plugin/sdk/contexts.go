package upstreamgo

// contextTable holds the existing plugin contexts.
type contextTable map[uint32]bool

var contexts = contextTable{}

// create adds a context; one without a parent is a plugin's.
func (t contextTable) create(id, parent uint32) {
	if parent == 0 {
		t[id] = true
	}
}

// remove removes the context and reports whether it was a plugin's.
func (t contextTable) remove(id uint32) (wasPlugin bool) {
	wasPlugin = t[id]
	if wasPlugin {
		delete(t, id)
	}
	return wasPlugin
}
