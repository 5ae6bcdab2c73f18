// Package planes runs the filter under the real control planes, Istio and Envoy Gateway, with the
// manifests of envoy/ as they are in the tree, the real session service and real Envoys. It runs in
// network, mount and process namespaces of its own: the control planes listen on fixed ports, read
// fixed folders, and look up names as in a cluster.
package planes

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"unsafe"
)

// inside is set in the environment of the process in the namespaces.
const inside = "CLOAKROOM_PLANES_INSIDE"

func TestMain(m *testing.M) {
	if os.Getenv(inside) == "" {
		os.Exit(outside())
	}
	if err := settle(); err != nil {
		fmt.Fprintln(os.Stderr, "the namespaces cannot be set up:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// outside runs this program anew in namespaces, and returns its status.
func outside() int {
	runtime.LockOSThread() // Pdeathsig follows the thread
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), inside+"=1")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID}
	if os.Getuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "these tests need namespaces of their own (as root, or with unprivileged user namespaces):", err)
		return 1
	}
	return 0
}

// hosts are the names that the manifests use, as the cluster's DNS has them.
const hosts = `127.0.0.1 localhost
127.0.0.1 app.default.svc.cluster.local go.default.svc.cluster.local sessions.default.svc.cluster.local
127.0.0.1 registry.example.com envoy-gateway envoy-gateway.envoy-gateway-system.svc.cluster.local
`

// settle makes, in the namespaces, a loopback interface, a /proc, names, and a folder that Istio's agent
// writes to.
func settle() error {
	dir, err := os.MkdirTemp("", "cloakroom-planes-")
	if err != nil {
		return err
	}
	names := filepath.Join(dir, "hosts")
	if err := os.WriteFile(names, []byte(hosts), 0o644); err != nil {
		return err
	}
	for _, m := range []struct {
		source, target, kind string
		flags                uintptr
	}{
		{"none", "/", "", syscall.MS_REC | syscall.MS_PRIVATE},
		{"proc", "/proc", "proc", 0},
		{names, "/etc/hosts", "", syscall.MS_BIND},
		{"tmpfs", "/var/lib", "tmpfs", 0},
	} {
		if err := syscall.Mount(m.source, m.target, m.kind, m.flags, ""); err != nil {
			return fmt.Errorf("mount %s: %w", m.target, err)
		}
	}
	if err := os.MkdirAll("/var/lib/istio/data", 0o755); err != nil {
		return err
	}
	if err := os.RemoveAll(dir); err != nil && !strings.Contains(err.Error(), "busy") {
		return err
	}
	return loopbackUp()
}

func loopbackUp() error {
	socket, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer syscall.Close(socket)
	request := struct {
		name  [syscall.IFNAMSIZ]byte
		flags uint16
		_     [22]byte
	}{flags: syscall.IFF_UP | syscall.IFF_RUNNING}
	copy(request.name[:], "lo")
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(socket), syscall.SIOCSIFFLAGS, uintptr(unsafe.Pointer(&request))); errno != 0 {
		return fmt.Errorf("the loopback interface: %w", errno)
	}
	return nil
}

// listening returns a testenv.Command.Ready: something must listen at the address.
func listening(address string) func(context.Context) error {
	return func(ctx context.Context) error {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err != nil {
			return err
		}
		return conn.Close()
	}
}
