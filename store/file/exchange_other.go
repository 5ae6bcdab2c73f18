//go:build unix && !linux

package file

func exchange(temporary, name string) error { return replace(temporary, name) }
