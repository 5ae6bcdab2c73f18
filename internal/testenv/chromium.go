package testenv

import (
	"os"
	"path/filepath"
)

// Chromium returns the path of the browser and its environment. The variable CHROMIUM names
// another one.
func Chromium() (path string, env []string, err error) {
	if path = os.Getenv("CHROMIUM"); path != "" {
		return path, nil, nil
	}
	if path, err = built("make setup", "build", "chromium", "chromium"); err != nil {
		return "", nil, err
	}
	dir := filepath.Dir(path)
	return path, []string{"LD_LIBRARY_PATH=" + filepath.Join(dir, "lib"), "FONTCONFIG_PATH=" + dir}, nil
}
