package file

import "os"

// replace replaces name by temporary where there is no exchange. Between its two steps Django
// could remove the file, which would restore the session.
func replace(temporary, name string) error {
	if _, err := os.Lstat(name); err != nil {
		return err
	}
	return os.Rename(temporary, name)
}
