package stack

import (
	"os"
	"path/filepath"
)

// Chromium is the path of the browser and what it needs in its environment. CHROMIUM names another.
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
