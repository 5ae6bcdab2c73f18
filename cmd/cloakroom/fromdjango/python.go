package fromdjango

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// interpreter returns the program that --python names: a name on the PATH, a file, or the folder
// of a virtual environment. Relative paths are relative to the working folder, as in a shell.
func interpreter(name, project string) (string, error) {
	if !strings.ContainsRune(name, filepath.Separator) {
		path, err := exec.LookPath(name)
		if err == nil {
			return filepath.Abs(path)
		}
		if !exists(name) { // it may be a folder, such as .venv
			return "", fmt.Errorf("%w; name the project's interpreter, or the folder of its virtual environment", err)
		}
	}
	if rest, ok := strings.CutPrefix(name, "~/"); ok {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", err
		}
		name = filepath.Join(home, rest)
	}
	path, err := filepath.Abs(name)
	if err != nil {
		return "", err
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		if inside := filepath.Join(project, name); !filepath.IsAbs(name) && exists(inside) {
			return "", fmt.Errorf("%w; a path is relative to the working folder: write %s", err, inside)
		}
		return "", fmt.Errorf("%w; name the project's interpreter, or the folder of its virtual environment", err)
	case !info.IsDir():
		return path, nil
	}
	for _, binary := range []string{"bin/python", "bin/python3", "Scripts/python.exe"} {
		if file := filepath.Join(path, binary); exists(file) {
			return file, nil // not resolved: Python finds an environment by the link's path
		}
	}
	return "", fmt.Errorf("the folder %s has no bin/python: it is no virtual environment", path)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// ownEnvironment returns the virtual environment in the project's folder, or "".
func ownEnvironment(project string) string {
	for _, name := range []string{".venv", "venv", "env"} {
		if dir := filepath.Join(project, name); exists(filepath.Join(dir, "bin", "python")) {
			return dir
		}
	}
	return ""
}
