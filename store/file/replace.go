package file

import "os"

// replace is the exchange of systems that have none: between its two steps
// Django could remove the file, which would bring the session back.
func replace(temporary, name string) error {
	if _, err := os.Lstat(name); err != nil {
		return err
	}
	return os.Rename(temporary, name)
}
