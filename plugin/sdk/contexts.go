package upstreamgo

// contextTable follows which contexts exist and which of them host calls act for, as the host itself does.
type contextTable struct {
	plugins map[uint32]uint32 // context ID → ID of its plugin context, which is its own plugin
	active  uint32
}

var contexts = contextTable{plugins: map[uint32]uint32{}}

// create records a context; parent 0 makes it a plugin context.
func (t *contextTable) create(id, parent uint32) {
	if parent == 0 {
		parent = id
	}
	t.plugins[id] = parent
	t.active = id
}

// enter makes the context the one that host calls act for and returns its ID.
func (t *contextTable) enter(id uint32) uint32 {
	t.active = id
	return id
}

// remove forgets the context and reports whether it was a plugin context.
func (t *contextTable) remove(id uint32) (wasPlugin bool) {
	plugin, known := t.plugins[id]
	delete(t.plugins, id)
	return known && plugin == id
}

// plugin returns the plugin context that the active context belongs to.
func (t *contextTable) plugin() uint32 { return t.plugins[t.active] }
