package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cloakroom/api"
	"cloakroom/session"
)

var (
	key = strings.Repeat("k", session.KeyLength)
	now = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
)

func at(now time.Time) Options {
	return Options{Now: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler)}
}

// lines decodes a log.
func lines(t *testing.T, text string) (all []map[string]any) {
	t.Helper()
	for line := range strings.Lines(text) {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			t.Fatalf("%v in %q", err, line)
		}
		all = append(all, fields)
	}
	return all
}

func TestLine(t *testing.T) {
	var out bytes.Buffer
	l := New(&out, at(now))
	trace := api.NewTrace("id-1", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	if err := l.Write(Record{Event: LoginSuccess, User: "7", Session: key, Previous: strings.Repeat("p", session.KeyLength), Trace: trace}); err != nil {
		t.Fatal(err)
	}
	want := `{"time":"2026-03-04T05:06:07Z","level":"INFO","event":"authn_login_success","user":"7","session":"` + session.ID(key) +
		`","previous":"` + session.ID(strings.Repeat("p", session.KeyLength)) + `","request_id":"id-1","traceparent":"` + trace.Parent + `"}` + "\n"
	if out.String() != want {
		t.Errorf("got  %s\nwant %s", &out, want)
	}
	out.Reset()
	_ = l.Write(Record{Event: SessionExpired, Reason: Revoked, User: "7", All: true, Before: now.Add(-time.Hour), Incomplete: true, Actor: "root"})
	want = `{"time":"2026-03-04T05:06:07Z","level":"INFO","event":"session_expired","reason":"revoked","user":"7","all":true,"ended":0,"before":"2026-03-04T04:06:07Z","incomplete":true,"actor":"root"}` + "\n"
	if out.String() != want {
		t.Errorf("got  %s\nwant %s", &out, want)
	}
}

// TestInjection holds that no text begins a line of its own, adds a field, or exceeds the bound.
func TestInjection(t *testing.T) {
	for _, user := range []string{
		"7\n{\"event\":\"authn_login_success\",\"user\":\"1\"}", "7\r\n", "7\u2028\u2029\u0085", "\x00\x01\x1b[2J\u009b2J", `7","event":"x`,
		"\xff\xfe", strings.Repeat("é", maxText), strings.Repeat("\n", 100_000), "a" + strings.Repeat("\U0001F600", 100),
	} {
		var out bytes.Buffer
		_ = New(&out, at(now)).Write(Record{Event: AuthzFail, Reason: Inactive, User: user, Session: key})
		if n := strings.Count(out.String(), "\n"); n != 1 || strings.ContainsAny(strings.TrimSuffix(out.String(), "\n"), "\r\x00\x1b\u0085\u009b") {
			t.Errorf("%.40q: %d lines: %.200q", user, n, out.String())
		}
		all := lines(t, out.String())
		got, _ := all[0]["user"].(string)
		if len(all) != 1 || len(all[0]) != 6 || all[0]["event"] != string(AuthzFail) || len(got) > maxText+3*len("\uFFFD") {
			t.Errorf("%.40q: %v", user, all)
		}
		if whole := strings.NewReplacer("\u0085", "\uFFFD", "\u009b", "\uFFFD").Replace(strings.ToValidUTF8(user, "\uFFFD")); !strings.HasPrefix(whole, got) || len(user) <= maxText && got != whole {
			t.Errorf("%.40q became %.40q", user, got)
		}
	}
}

// TestEvents holds that each event has a level, and no record a name that is not in the table.
func TestEvents(t *testing.T) {
	for _, e := range Events() {
		var out bytes.Buffer
		_ = New(&out, at(now)).Write(Record{Event: e})
		if got := lines(t, out.String()); len(got) != 1 || got[0]["event"] != string(e) {
			t.Errorf("%s: %v", e, got)
		}
	}
}

// TestOnce holds that what each look-up finds again is written once for each session and reason,
// in bounded memory.
func TestOnce(t *testing.T) {
	var out bytes.Buffer
	clock := now
	l := New(&out, Options{Now: func() time.Time { return clock }})
	write := func(n int, why Reason) bool {
		out.Reset()
		clock = clock.Add(time.Second) // not to be over the cap
		l.WriteOnce(Record{Event: AuthzFail, Reason: why, Session: fmt.Sprint(n)})
		return out.Len() > 0
	}
	if !write(0, Inactive) || write(0, Inactive) || !write(0, PasswordHash) || write(0, PasswordHash) || !write(1, Inactive) {
		t.Error("the same is written twice, or another not at all")
	}
	for n := range 2 * maxSeen {
		if !write(1000+n, Inactive) {
			t.Fatalf("session %d is not written", n)
		}
	}
	if len(l.seen.names) != maxSeen || len(l.seen.order) != maxSeen {
		t.Errorf("%d names are kept, %d in order, want %d", len(l.seen.names), len(l.seen.order), maxSeen)
	}
	if write(1000+2*maxSeen-1, Inactive) || !write(0, Inactive) {
		t.Error("the newest was dropped, or the oldest is kept")
	}
}

// TestOnceAfterAFlood holds that what was left out over the limit is written later.
func TestOnceAfterAFlood(t *testing.T) {
	var out bytes.Buffer
	clock := now
	l := New(&out, Options{Now: func() time.Time { return clock }})
	for n := range 2 * maxPerSecond {
		l.WriteOnce(Record{Event: AuthzFail, Session: fmt.Sprint(n)})
	}
	clock = clock.Add(time.Second)
	for n := range 2 * maxPerSecond {
		l.WriteOnce(Record{Event: AuthzFail, Session: fmt.Sprint(n)})
	}
	sessions := map[any]int{}
	for _, line := range lines(t, out.String()) {
		sessions[line["session"]]++
	}
	if len(sessions) != 2*maxPerSecond || strings.Count(out.String(), "\n") != 2*maxPerSecond {
		t.Errorf("%d sessions in %d lines, want %d in as many", len(sessions), strings.Count(out.String(), "\n"), 2*maxPerSecond)
	}
}

// TestFlood holds which events are left out over the limit, and that the next line has how many.
func TestFlood(t *testing.T) {
	for _, e := range Events() {
		var out bytes.Buffer
		clock := now
		l := New(&out, Options{Now: func() time.Time { return clock }})
		const flood = 10 * maxPerSecond
		for range flood {
			_ = l.Write(Record{Event: e})
		}
		want, omitted := flood, uint64(0)
		if e.Capped() {
			want, omitted = maxPerSecond, flood-maxPerSecond
		}
		if got := strings.Count(out.String(), "\n"); got != want || l.Stats().Omitted != omitted {
			t.Errorf("%s: %d lines, %d left out; want %d and %d", e, got, l.Stats().Omitted, want, omitted)
		}
		out.Reset()
		clock = clock.Add(time.Second)
		_ = l.Write(Record{Event: e})
		if got := lines(t, out.String()); len(got) != 1 || e.Capped() != (got[0]["omitted"] == float64(omitted)) {
			t.Errorf("%s: the next line is %v", e, got)
		}
	}
	for _, e := range []Event{SessionExpired, LoginSuccess, TokenReuse, SessionRenewed} {
		if e.Capped() {
			t.Errorf("%s can be left out", e)
		}
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errors.New("disk full") }

// TestErrors holds that errors are returned, counted, and logged.
func TestErrors(t *testing.T) {
	for name, queue := range map[string]int{"waiting": 0, "with a queue": 4} {
		logged := make(chan string, 10)
		o := at(now)
		o.Queue, o.Log = queue, slog.New(slog.NewTextHandler(channel(logged), nil))
		l := New(failing{}, o)
		for range 3 {
			if err := l.Write(Record{Event: SessionExpired}); err == nil {
				t.Errorf("%s: no error", name)
			}
		}
		if got := <-logged; !strings.Contains(got, "disk full") {
			t.Errorf("%s: logged %q", name, got)
		}
		if l.Stats().Errors != 3 || len(logged) > 0 {
			t.Errorf("%s: %d errors, and %d more logged in the same second", name, l.Stats().Errors, len(logged))
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
}

type channel chan string

func (c channel) Write(line []byte) (int, error) {
	c <- string(line)
	return len(line), nil
}

// hanging is a writer that hangs until it is released.
type hanging struct {
	release chan struct{}
	mu      sync.Mutex
	out     bytes.Buffer
}

func (h *hanging) Write(line []byte) (int, error) {
	<-h.release
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.out.Write(line)
}

// TestHang holds that a writer that hangs stops nothing, nor does a log that hangs as well: lines
// wait for it, up to the bound, and are written when it continues.
func TestHang(t *testing.T) {
	const queue = 8
	h := &hanging{release: make(chan struct{})}
	o := at(now)
	o.Queue, o.Log = queue, slog.New(slog.NewTextHandler(h, nil))
	l := New(h, o)
	refused := 0
	for range 3 * queue {
		if l.Write(Record{Event: SessionExpired}) != nil {
			refused++
		}
	}
	if room := queue + 1; refused != 3*queue-room || l.Stats().Errors != uint64(refused) { // one is being written
		t.Errorf("%d of %d lines are refused, %d counted; want %d", refused, 3*queue, l.Stats().Errors, 3*queue-room)
	}
	close(h.release)
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if got := strings.Count(h.out.String(), `"event":"session_expired"`); got != queue+1 {
		t.Errorf("%d lines are written, want %d", got, queue+1)
	}
}

// TestFile holds that lines are appended, that a file that was moved is opened anew, and that
// others cannot read it.
func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	for range 2 {
		l, err := Open(path, io.Discard, at(now))
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Write(Record{Event: SessionExpired}); err != nil {
			t.Error(err)
		}
		if err := os.Rename(path, path+".1"); err != nil {
			t.Fatal(err)
		}
		if err := l.Write(Record{Event: SessionCreated}); err != nil {
			t.Error(err)
		}
	}
	for name, want := range map[string][]string{path: {"session_created"}, path + ".1": {"session_created", "session_expired"}} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, fields := range lines(t, string(text)) {
			got = append(got, fields["event"].(string))
		}
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 || !slices.Equal(got, want) {
			t.Errorf("%s: %v with %q, want %q; %v", name, info.Mode(), got, want, err)
		}
	}
}

func TestOpen(t *testing.T) {
	var out bytes.Buffer
	l, err := Open("-", &out, at(now))
	if err != nil || l.Write(Record{Event: SessionExpired}) != nil || out.Len() == 0 {
		t.Errorf("-: %v, %q", err, &out)
	}
	if l, err = Open(Off, &out, at(now)); err != nil || l.Write(Record{Event: SessionExpired}) != nil || l.Stats() != (Stats{}) || l.Close() != nil {
		t.Errorf("off: %v", err)
	}
	l.WriteOnce(Record{Event: SessionExpired})
	if strings.Count(out.String(), "\n") != 1 {
		t.Errorf("off writes: %q", &out)
	}
	for _, path := range []string{t.TempDir(), filepath.Join(t.TempDir(), "missing", "file")} {
		if _, err := Open(path, &out, at(now)); err == nil {
			t.Errorf("%s is opened", path)
		}
	}
}
