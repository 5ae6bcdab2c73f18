package hostcall

import (
	"cloakroom/hostsim/internal/abi"
	"cloakroom/hostsim/internal/guest"
	"cloakroom/hostsim/internal/property"
)

// propertyOf returns the value at a path for the effective context.
func propertyOf(v *guest.VM, path []string) (any, bool) {
	if len(path) == 0 {
		return nil, false
	}
	c := v.Effective()
	switch path[0] {
	case "plugin_name":
		return property.At(c.Root.Plugin.Name, path[1:])
	case "plugin_root_id":
		return property.At(c.Root.Plugin.RootID, path[1:])
	case "plugin_vm_id":
		return property.At(c.Root.Plugin.VMID, path[1:])
	}
	if c.Filter == nil {
		return nil, false
	}
	return c.Filter.Property(path)
}

func getProperty(v *guest.VM, a []uint64) abi.Status {
	path, found := v.Memory.Text(a[0], a[1])
	if !found {
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
	return v.Return(text, a[2], a[3])
}

// setProperty stores a value in the stream's filter state. Its name is the whole path;
// therefore a path of several parts cannot be read back, as in Envoy.
func setProperty(v *guest.VM, a []uint64) abi.Status {
	path, foundPath := v.Memory.Text(a[0], a[1])
	value, foundValue := v.Memory.Text(a[2], a[3])
	if !foundPath || !foundValue {
		return abi.InvalidMemoryAccess
	}
	f := v.Effective().Filter
	if f == nil || f.Logging() {
		return abi.NotFound
	}
	f.SetState(property.StatePrefix+path, value)
	return abi.OK
}
