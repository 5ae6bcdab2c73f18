// Package django_test compares the stores with Django's own sessions, in both directions, on the
// same data.
package django_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"cloakroom/session"
	"cloakroom/session/django"
	"cloakroom/store"
)

// secret is the SECRET_KEY unless a test sets another.
const secret = "a key with $pecial (characters), é and ☃"

// driver is Django in a Python process, controlled by lines of JSON.
type driver struct {
	engine
	version version
	url     string // the store that both sides use, for store.Open
	stdin   io.WriteCloser
	lines   *bufio.Reader
}

type args map[string]any

// djangoError is an exception that Django raised.
type djangoError struct{ Error, Message string }

// start starts Django on a new, empty store. The process ends with the test.
func start(t *testing.T, v version, e engine) *driver {
	t.Helper()
	url, settings := e.new(t)
	config, err := json.Marshal(settings)
	if err != nil {
		t.Fatal(err)
	}
	d := &driver{engine: e, version: v, url: url}
	command := v.command(t.Context(), t, "driver.py", string(config))
	if d.stdin, err = command.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	stdout, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	d.lines = bufio.NewReader(stdout)
	t.Cleanup(func() {
		d.stdin.Close()
		command.Wait()
	})
	var is string
	if d.call(t, "version", args{}, &is); !strings.HasPrefix(is, v.name+".") {
		t.Fatalf("Django is %s, want %s", is, v.name)
	}
	return d
}

// try performs op in Django, and returns the exception that it raised, or nil.
func (d *driver) try(t *testing.T, op string, a args, result any) *djangoError {
	t.Helper()
	a["op"] = op
	if _, given := a["secret"]; !given {
		a["secret"] = secret
	}
	request, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(d.stdin, "%s\n", request); err != nil {
		t.Fatalf("Django process: %v", err)
	}
	line, err := d.lines.ReadBytes('\n')
	if err != nil {
		t.Fatalf("Django process: %v", err)
	}
	var answer struct {
		djangoError
		Result json.RawMessage
	}
	if err := json.Unmarshal(line, &answer); err != nil {
		t.Fatal(err)
	}
	if answer.Error != "" {
		return &answer.djangoError
	}
	if result != nil {
		if err := json.Unmarshal(answer.Result, result); err != nil {
			t.Fatal(err)
		}
	}
	return nil
}

// call is try, but an exception fails the test.
func (d *driver) call(t *testing.T, op string, a args, result any) {
	t.Helper()
	if raised := d.try(t, op, a, result); raised != nil {
		t.Fatalf("Django, %s: %s: %s", op, raised.Error, raised.Message)
	}
}

func codec(t *testing.T, secret string, fallbacks ...string) *django.Codec {
	t.Helper()
	c, err := django.NewCodec(secret, fallbacks...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// open opens Cloakroom's store on Django's data.
func (d *driver) open(t *testing.T) session.Store {
	t.Helper()
	s, err := store.Open(t.Context(), d.url, store.Options{Codec: codec(t, secret), Create: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// stored is a session as Django returns it.
type stored struct {
	Key     string
	Text    string
	Expires time.Time
}

// read returns the session as a Django view gets it; ok is false if there is no session.
func (d *driver) read(t *testing.T, key string) (v stored, ok bool) {
	t.Helper()
	var result *stored
	d.call(t, "read", args{"key": key}, &result)
	if result == nil {
		return stored{}, false
	}
	return *result, true
}

func newKey(t *testing.T, random io.Reader) string {
	t.Helper()
	key, err := session.NewKey(random)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// same compares one session as both sides return it.
func (d *driver) same(t *testing.T, ours session.Session, theirs stored) {
	t.Helper()
	canonical, err := django.Canonical(ours.Data)
	if err != nil || string(canonical) != theirs.Text {
		t.Errorf("data: ours %.300s (%v), Django's %.300s", ours.Data, err, theirs.Text)
	}
	if off := ours.Expires.Truncate(d.resolution).Sub(theirs.Expires.Truncate(d.resolution)).Abs(); off > d.slack {
		t.Errorf("expiry: ours %v, Django's %v", ours.Expires, theirs.Expires)
	}
}

// notFound reports whether Cloakroom's error means that there is no session for certain.
func notFound(err error) bool {
	return errors.Is(err, session.ErrNotFound) || errors.Is(err, session.ErrUnreadable)
}
