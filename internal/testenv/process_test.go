package testenv_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
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

// shell returns a command that runs a script and is ready when it has printed so.
func shell(script string) testenv.Command {
	return testenv.Command{Name: "script", Path: "/bin/sh", Args: []string{"-c", script}}
}

func TestStopEndsTheGroup(t *testing.T) {
	scripts := map[string]string{
		"a child that outlives its parent": `trap 'exit 0' TERM; sleep 1000 & echo $! >"$FILE"; while :; do sleep 0.05; done`,
		"a parent that will not end":       `trap '' TERM; sleep 1000 & echo $! >"$FILE"; wait; while :; do sleep 0.05; done`,
	}
	for name, script := range scripts {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "pid")
			command := shell(script)
			command.Env = []string{"FILE=" + file}
			command.Grace = 200 * time.Millisecond
			command.Ready = func(context.Context) error { _, err := pidIn(file); return err }
			p, err := testenv.Start(t.Context(), command)
			if err != nil {
				t.Fatal(err)
			}
			child, err := pidIn(file)
			if err != nil {
				t.Fatal(err)
			}
			for range 2 { // the second finds nothing to do
				if err := p.Stop(); err != nil {
					t.Error(err)
				}
			}
			gone(t, p.PID(), child)
		})
	}
}

func TestStartSaysWhyNotReady(t *testing.T) {
	tests := map[string]struct {
		command testenv.Command
		want    []string
	}{
		"it ended": {shell("echo out; echo the reason >&2; exit 3"), []string{"script", "exit status 3", "out", "the reason"}},
		"the noise is left out": {
			testenv.Command{Name: "script", Path: "/bin/sh", Args: []string{"-c", "echo [info] chatter; echo the reason; exit 3"}, Noise: "[info]"},
			[]string{"exit status 3\nthe reason"},
		},
		"there is no such program": {testenv.Command{Name: "nothing", Path: "/nonexistent"}, []string{"nothing", "/nonexistent"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tt.command.Ready = func(context.Context) error { return errors.New("not yet") }
			_, err := testenv.Start(t.Context(), tt.command)
			for _, want := range tt.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want an error with %q", err, want)
				}
			}
		})
	}
}

func TestStartGivesUpWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var pid int
	file := filepath.Join(t.TempDir(), "pid")
	command := shell(`echo $$ >"$FILE"; exec sleep 1000`)
	command.Env = []string{"FILE=" + file}
	command.Ready = func(context.Context) (err error) {
		if pid, err = pidIn(file); err == nil {
			cancel()
		}
		return errors.New("never")
	}
	if _, err := testenv.Start(ctx, command); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	gone(t, pid)
}

// TestInterrupted kills a process that has started others, as an interrupted test is killed: none
// of those may be left.
func TestInterrupted(t *testing.T) {
	helper := exec.Command(os.Args[0], "-test.run=^TestMain$")
	helper.Env = append(os.Environ(), "STACK_HELPER="+t.TempDir())
	out, err := helper.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	helper.Stderr = os.Stderr
	if err := helper.Start(); err != nil {
		t.Fatal(err)
	}
	defer helper.Process.Kill()
	var pids []int
	lines := bufio.NewScanner(out)
	for lines.Scan() && lines.Text() != "ready" {
		pid, err := strconv.Atoi(lines.Text())
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	if len(pids) < 2 {
		t.Fatalf("the helper started %v, want Django and its workers", pids)
	}
	if err := helper.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = helper.Wait()
	gone(t, pids...)
}

func TestMain(m *testing.M) {
	dir := os.Getenv("STACK_HELPER")
	if dir == "" {
		os.Exit(m.Run())
	}
	if err := help(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	select {}
}

// help starts Django, which has children of its own, and prints the ids of those processes.
func help(dir string) error {
	ports, err := testenv.FreePorts(1)
	if err != nil {
		return err
	}
	django, err := testenv.StartDjango(context.Background(), testenv.DjangoConfig{
		Port: ports[0], Database: filepath.Join(dir, "db.sqlite3"), SecretKey: "a key that is long enough",
	})
	if err != nil {
		return err
	}
	fmt.Println(django.PID())
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", django.PID()))
	if err != nil {
		return err
	}
	for _, pid := range strings.Fields(string(children)) {
		fmt.Println(pid)
	}
	fmt.Println("ready")
	return nil
}

func pidIn(file string) (int, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(text)))
}

// gone waits until none of the processes runs.
func gone(t *testing.T, pids ...int) {
	t.Helper()
	for _, pid := range pids {
		deadline := time.Now().Add(30 * time.Second)
		for runs(pid) {
			if time.Now().After(deadline) {
				t.Errorf("process %d is left", pid)
				_ = syscall.Kill(pid, syscall.SIGKILL)
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
}

// runs reports whether a process exists and is no zombie.
func runs(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, _ := strings.Cut(string(stat), ") ")
	return err == nil && !strings.HasPrefix(rest, "Z")
}
