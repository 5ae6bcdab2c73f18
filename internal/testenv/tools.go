package testenv

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

// The versions of Envoy under test: the newest, and an older one whose host offers plugins less.
const (
	Envoy140 = "1.40.0"
	Envoy136 = "1.36.2"
)

// Root returns the repository's folder: the nearest parent of the working folder whose go.mod is
// this module's.
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

// Wasm returns the path of the built filter.
func Wasm() (string, error) { return built("make build", "build", "cloakroom.wasm") }

// Module returns the built filter itself.
func Module() ([]byte, error) {
	path, err := Wasm()
	if err != nil {
		return nil, err
	}
	return os.ReadFile(path)
}

// Cloakroom returns the path of the built command.
func Cloakroom() (string, error) { return built("make build", "build", "cloakroom") }

// Python returns the path of the virtual environment's interpreter.
func Python() (string, error) { return built("make setup", "build", "venv", "bin", "python") }

// VenvPython returns the path of the interpreter of another virtual environment in build.
func VenvPython(name string) (string, error) {
	return built("make setup", "build", name, "bin", "python")
}

// EnvoyPath returns the path of an Envoy binary.
func EnvoyPath(version string) (string, error) {
	if version == Envoy140 {
		return built("make setup", "build", "venv", "lib", "python3*", "site-packages", "envoy", "_bin", "envoy")
	}
	return built("make setup", "build", "envoy-"+version, "envoy", "_bin", "envoy")
}

// built returns the path of what a make target builds.
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

// firstPort and lastPort bound the ports of FreePorts. They are below those that Linux uses for
// outgoing connections (ip_local_port_range, from 32768 on), so that a port that is free now is
// not used by a client before the server listens on it.
const firstPort, lastPort = 12000, 32000

// FreePorts returns n ports on 127.0.0.1 without a listener, which no other test gets while this
// process lives.
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

// takePort reserves a port for this process among all tests of this user, until it ends.
func takePort(port int) (bool, error) {
	// Not os.TempDir: some tests change it, and all must agree.
	dir := "/tmp/cloakroom-ports-" + strconv.Itoa(os.Getuid())
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return false, err
	}
	// Neither closed nor inherited: the lock belongs to the open file.
	fd, err := syscall.Open(filepath.Join(dir, strconv.Itoa(port)), syscall.O_RDWR|syscall.O_CREAT|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		return false, err
	}
	if err := syscall.Flock(fd, syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return false, syscall.Close(fd)
	}
	return true, nil
}
