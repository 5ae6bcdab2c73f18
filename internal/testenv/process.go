// Package testenv starts and stops the real processes that tests, benchmarks and
// the demonstration run: Envoy, Django under gunicorn, the session service.
// All of them listen on 127.0.0.1 only and end with the process that started
// them.
package testenv

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	readyWithin = 3 * time.Minute // a machine under load is slow, not broken
	grace       = 10 * time.Second
	pollEvery   = 20 * time.Millisecond
	logBytes    = 32 << 20
)

// Command is a process to start.
type Command struct {
	Name string // for messages
	Path string
	Args []string
	Env  []string // over the environment of this process
	Dir  string
	// Ready is polled until it returns nil. If Ready is nil, the process is ready at once.
	Ready func(ctx context.Context) error
	// Noise marks lines of the log that a start error omits, if not empty.
	Noise string
	// Grace is how long Stop waits after SIGTERM; 0 means ten seconds.
	Grace time.Duration
	// Tee receives a copy of the process's output; it may be nil.
	Tee io.Writer
}

// Process is a started process. Stop ends it.
type Process struct {
	name  string
	noise string
	grace time.Duration
	cmd   *exec.Cmd
	log   *logBuffer
	done  chan struct{}
	err   error // valid after done is closed
}

// Start starts a process in its own process group and waits until it is ready. If that fails, the
// error contains the end of its log, and no process is left running.
func Start(ctx context.Context, c Command) (*Process, error) {
	cmd := exec.Command(c.Path, c.Args...)
	cmd.Dir = c.Dir
	cmd.Env = append(os.Environ(), c.Env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	p := &Process{
		name: c.Name, noise: c.Noise, grace: cmp.Or(c.Grace, grace),
		cmd: cmd, log: &logBuffer{tee: c.Tee}, done: make(chan struct{}),
	}
	cmd.WaitDelay = p.grace // if a child outlives the process and keeps its output open
	cmd.Stdout, cmd.Stderr = p.log, p.log
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", c.Name, err)
	}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	if err := p.waitReady(ctx, c.Ready); err != nil {
		_ = p.Stop()
		return nil, fmt.Errorf("%s did not get ready: %w\n%s", c.Name, err, p.LogTail(30))
	}
	return p, nil
}

func (p *Process) waitReady(ctx context.Context, ready func(context.Context) error) error {
	if ready == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		err := ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("the process ended: %v", p.err) //nolint:errorlint // there is none where it ended well
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-tick.C:
		}
	}
}

// Stop sends SIGTERM, and kills the whole group when the process has ended, or after
// Command.Grace. It may be called more than once.
func (p *Process) Stop() error {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(p.grace):
	}
	// The group's members that outlived their leader.
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	<-p.done
	return nil
}

// Kill sends SIGKILL.
func (p *Process) Kill() {
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	<-p.done
}

// Hang stops the process with its connections open, until Resume.
func (p *Process) Hang(ctx context.Context) error {
	if err := p.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	return p.waitReady(ctx, func(context.Context) error {
		// The state is the third field, after the name in parentheses.
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.PID()))
		if _, rest, _ := bytes.Cut(stat, []byte(") ")); err == nil && !bytes.HasPrefix(rest, []byte("T")) {
			err = errors.New("it is still running")
		}
		return err
	})
}

// Resume continues a process that hangs.
func (p *Process) Resume() error { return p.cmd.Process.Signal(syscall.SIGCONT) }

// Name returns the name that the process was started under.
func (p *Process) Name() string { return p.name }

// PID returns the process's id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Done returns a channel that is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Log returns the process's output, up to its first 32 MiB.
func (p *Process) Log() string { return p.log.String() }

// LogTail returns the last lines of the log, without its noise.
func (p *Process) LogTail(lines int) string {
	all := strings.Split(strings.TrimRight(p.Log(), "\n"), "\n")
	all = slices.DeleteFunc(all, func(line string) bool { return p.noise != "" && strings.Contains(line, p.noise) })
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
	tee io.Writer
}

func (l *logBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.buf.Len() < logBytes {
		l.buf.Write(b)
	}
	if l.tee != nil {
		_, _ = l.tee.Write(b)
	}
	return len(b), nil
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}
