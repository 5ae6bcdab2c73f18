package file

import (
	"errors"

	"golang.org/x/sys/unix"
)

// exchange swaps two files, both of which have to be there, at once
// (renameat2(2), RENAME_EXCHANGE). Where the file system cannot, it replaces.
func exchange(temporary, name string) error {
	err := unix.Renameat2(unix.AT_FDCWD, temporary, unix.AT_FDCWD, name, unix.RENAME_EXCHANGE)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
		return replace(temporary, name)
	}
	return err
}
