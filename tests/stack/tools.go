package stack

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// The versions of Envoy that are tested: the newest, and an older one whose
// host gives plugins less.
const (
	Envoy140 = "1.40.0"
	Envoy136 = "1.36.2"
)

// Root is the repository's folder: the nearest one above the working folder
// whose go.mod is this module's.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; ; dir = filepath.Dir(dir) {
		if text, err := os.ReadFile(filepath.Join(dir, "go.mod")); err == nil && len(text) > 17 && string(text[:17]) == "module cloakroom\n" {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("the working folder is not inside the repository")
		}
	}
}

// Wasm is the path of the built filter.
func Wasm() (string, error) { return built("make build", "build", "cloakroom.wasm") }

// Module is the built filter itself.
func Module() ([]byte, error) {
	path, err := Wasm()
	if err != nil {
		return nil, err
	}
	return os.ReadFile(path)
}

// Cloakroom is the path of the built command.
func Cloakroom() (string, error) { return built("make build", "build", "cloakroom") }

// Python is the path of the virtual environment's interpreter.
func Python() (string, error) { return built("make setup", "build", "venv", "bin", "python") }

// VenvPython is the path of the interpreter of another virtual environment in build.
func VenvPython(name string) (string, error) {
	return built("make setup", "build", name, "bin", "python")
}

// EnvoyPath is the path of an Envoy binary.
func EnvoyPath(version string) (string, error) {
	if version == Envoy140 {
		return built("make setup", "build", "venv", "lib", "python3*", "site-packages", "envoy", "_bin", "envoy")
	}
	return built("make setup", "build", "envoy-"+version, "envoy", "_bin", "envoy")
}

// built finds what a make target makes.
func built(target string, path ...string) (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	pattern := filepath.Join(append([]string{root}, path...)...)
	found, err := filepath.Glob(pattern)
	if err != nil || len(found) == 0 {
		return "", fmt.Errorf("%s is missing: run `%s` first", filepath.Join(path...), target)
	}
	return found[0], nil
}

// The ports that FreePorts chooses from lie below those that Linux gives to
// outgoing connections (ip_local_port_range, from 32768 on): one that is free
// now is not taken by anybody's client in the moment before it is listened on.
const firstPort, lastPort = 12000, 32000

// FreePorts gives n ports on 127.0.0.1 that nobody listens on, and that no other test
// is given while this process lives.
func FreePorts(n int) ([]int, error) {
	var ports []int
	for range lastPort - firstPort {
		if len(ports) == n {
			return ports, nil
		}
		port := firstPort + rand.IntN(lastPort-firstPort)
		l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port))
		if err != nil {
			continue
		}
		l.Close()
		taken, err := takePort(port)
		if err != nil {
			return nil, err
		}
		if taken {
			ports = append(ports, port)
		}
	}
	return nil, fmt.Errorf("no %d free ports between %d and %d", n, firstPort, lastPort)
}

// takePort takes a port from all other tests of this user, until the process ends.
func takePort(port int) (bool, error) {
	// Not os.TempDir: some tests have their own, and all have to agree.
	dir := "/tmp/cloakroom-ports-" + strconv.Itoa(os.Getuid())
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return false, err
	}
	// Not closed, nor inherited: the lock is the open file's.
	fd, err := syscall.Open(filepath.Join(dir, strconv.Itoa(port)), syscall.O_RDWR|syscall.O_CREAT|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		return false, err
	}
	if err := syscall.Flock(fd, syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return false, syscall.Close(fd)
	}
	return true, nil
}
