package hostsim

import (
	"cloakroom/hostsim/internal/abi"
	"cloakroom/hostsim/internal/property"
)

// propertyOf returns the value at a path for the context in effect.
func propertyOf(v *vm, path []string) (any, bool) {
	if len(path) == 0 {
		return nil, false
	}
	c := v.inEffect()
	switch path[0] {
	case "plugin_name":
		return property.At(c.root.plugin.Name, path[1:])
	case "plugin_root_id":
		return property.At(c.root.plugin.RootID, path[1:])
	case "plugin_vm_id":
		return property.At(c.root.plugin.VMID, path[1:])
	}
	if c.filter == nil {
		return nil, false
	}
	return c.filter.property(path)
}

func getProperty(v *vm, a []uint64) abi.Status {
	path, inside := v.mem.text(a[0], a[1])
	if !inside {
		return abi.InvalidMemoryAccess
	}
	value, found := propertyOf(v, abi.SplitPath(path))
	if !found {
		return abi.NotFound
	}
	text, st := property.Serialize(value)
	if st != abi.OK {
		return st
	}
	return v.give(text, a[2], a[3])
}

// setProperty keeps a value with the stream. Its name is the path as it stands;
// therefore one of several elements cannot be read back, as in Envoy.
func setProperty(v *vm, a []uint64) abi.Status {
	path, foundPath := v.mem.text(a[0], a[1])
	value, foundValue := v.mem.text(a[2], a[3])
	if !foundPath || !foundValue {
		return abi.InvalidMemoryAccess
	}
	f := v.inEffect().filter
	if f == nil || f.logging() {
		return abi.NotFound
	}
	f.setState(property.StatePrefix+path, value)
	return abi.OK
}
