package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"cloakroom/internal/testenv"
)

// running is a demonstration in a process group of its own, as in a terminal.
type running struct {
	t      *testing.T
	cmd    *exec.Cmd
	url    string
	errors strings.Builder // its standard error; complete after exit
}

// launch starts the demonstration, which finds its files as it does for a user.
func launch(t *testing.T, ports []int, args ...string) *running {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "demo")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	args = append(args, "--dir", t.TempDir(), "--port", strconv.Itoa(ports[0]), "--admin-port", strconv.Itoa(ports[1]))
	d := &running{t: t, cmd: exec.Command(binary, args...), url: fmt.Sprintf("http://127.0.0.1:%d/", ports[0])}
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	d.cmd.Stderr = &d.errors
	return d
}

// ready waits until the demonstration prints that it is ready.
func (d *running) ready() {
	d.t.Helper()
	out, err := d.cmd.StdoutPipe()
	if err != nil {
		d.t.Fatal(err)
	}
	if err := d.cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { _ = d.cmd.Process.Kill() })
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if lines.Text() == "ready: "+d.url {
			go io.Copy(io.Discard, out)
			return
		}
	}
	d.t.Fatalf("it ended before it was ready: %v\n%s", d.cmd.Wait(), &d.errors)
}

// exit waits for the end and returns the exit status.
func (d *running) exit() int {
	d.t.Helper()
	err := d.cmd.Wait()
	if failed := new(exec.ExitError); err != nil && !errors.As(err, &failed) {
		d.t.Fatal(err)
	}
	return d.cmd.ProcessState.ExitCode()
}

func TestDemo(t *testing.T) {
	tests := []struct {
		name   string
		args   []string
		end    func(d *running, children []int) error
		status int
		says   string
	}{
		{"Envoy, Ctrl-C", nil, func(d *running, _ []int) error {
			return syscall.Kill(-d.cmd.Process.Pid, syscall.SIGINT)
		}, 0, ""},
		{"hostsim, a part dies", []string{"--sim"}, func(_ *running, children []int) error {
			return syscall.Kill(find(t, children, "serve"), syscall.SIGKILL)
		}, 1, "session service ended by itself"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ports, err := testenv.FreePorts(2)
			if err != nil {
				t.Fatal(err)
			}
			d := launch(t, ports, tt.args...)
			d.ready()
			d.tour()
			children := descendants(d.cmd.Process.Pid)
			if len(children) < 5 {
				t.Errorf("%d processes, want the proxy, Django and its worker, the session service, the Go service", len(children))
			}
			if err := tt.end(d, children); err != nil {
				t.Fatal(err)
			}
			if got := d.exit(); got != tt.status || !strings.Contains(d.errors.String(), tt.says) {
				t.Errorf("exit status %d, %q; want %d and %q", got, &d.errors, tt.status, tt.says)
			}
			for _, pid := range children {
				if !ends(pid) {
					t.Errorf("process %d is left: %s", pid, commandLine(pid))
				}
			}
		})
	}
}

func TestPortTaken(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, port, err := net.SplitHostPort(taken.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	d := launch(t, []int{number, number})
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if got := d.exit(); got != 1 {
		t.Errorf("exit status %d, want 1", got)
	}
	for _, want := range []string{port, "--port", "CLOAKROOM_PORT", "--admin-port", "CLOAKROOM_ADMIN_PORT"} {
		if !strings.Contains(d.errors.String(), want) {
			t.Errorf("%q does not name %s", &d.errors, want)
		}
	}
}

// descendants returns the processes that a process has started, and theirs.
func descendants(pid int) (pids []int) {
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, list := range lists {
		text, _ := os.ReadFile(list)
		for _, field := range strings.Fields(string(text)) {
			if child, err := strconv.Atoi(field); err == nil {
				pids = append(append(pids, child), descendants(child)...)
			}
		}
	}
	return pids
}

// find returns the one process that was started with an argument.
func find(t *testing.T, pids []int, argument string) int {
	t.Helper()
	for _, pid := range pids {
		if strings.Contains(" "+commandLine(pid)+" ", " "+argument+" ") {
			return pid
		}
	}
	t.Fatalf("no process has the argument %s", argument)
	return 0
}

func commandLine(pid int) string {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return strings.ReplaceAll(string(text), "\x00", " ")
}

// ends waits until a process has ended.
func ends(pid int) bool {
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if commandLine(pid) == "" { // none, or a zombie
			return true
		}
	}
	return false
}
