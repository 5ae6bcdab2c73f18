package file

import (
	"errors"

	"golang.org/x/sys/unix"
)

// exchange swaps two existing files atomically (renameat2(2), RENAME_EXCHANGE). If the file system
// does not support that, it falls back to replace.
func exchange(temporary, name string) error {
	err := unix.Renameat2(unix.AT_FDCWD, temporary, unix.AT_FDCWD, name, unix.RENAME_EXCHANGE)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
		return replace(temporary, name)
	}
	return err
}
