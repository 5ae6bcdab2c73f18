package file_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cloakroom/session"
	"cloakroom/session/django"
	"cloakroom/session/sessiontest"
	"cloakroom/store/file"
)

func open(t *testing.T, dir string, now func() time.Time) *file.Store {
	t.Helper()
	codec, err := django.NewCodec("secret")
	if err != nil {
		t.Fatal(err)
	}
	s, err := file.Open(dir, file.Options{Codec: codec, Age: 14 * 24 * time.Hour, Create: true, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestConformance(t *testing.T) {
	sessiontest.Run(t, func(t *testing.T, now func() time.Time) session.Store {
		return open(t, filepath.Join(t.TempDir(), "a b"), now)
	})
}

// TestTwoProcesses uses two stores over one folder, as two processes would.
func TestTwoProcesses(t *testing.T) {
	dir := t.TempDir()
	stores := []*file.Store{open(t, dir, time.Now), open(t, dir, time.Now)}
	key := sessiontest.Key(t)
	if err := stores[0].Create(t.Context(), session.Session{Key: key, Data: []byte(`{"n":""}`), Expires: time.Now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	const rounds = 50
	failed := make(chan error, len(stores))
	for _, s := range stores {
		go func() {
			for range rounds {
				_, err := s.Update(t.Context(), key, func(v session.Session) (session.Session, error) {
					v.Data = []byte(strings.Replace(string(v.Data), `":"`, `":"x`, 1))
					return v, nil
				})
				if err != nil {
					failed <- err
					return
				}
			}
			failed <- nil
		}()
	}
	for range stores {
		if err := <-failed; err != nil {
			t.Fatal(err)
		}
	}
	v, err := stores[0].Load(t.Context(), key)
	if want := `{"n":"` + strings.Repeat("x", 2*rounds) + `"}`; err != nil || string(v.Data) != want {
		t.Errorf("got %s, %v; want %s", v.Data, err, want)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 2 {
		t.Errorf("files left: %v, %v; want the session and the lock", left, err)
	}
}

// TestNoWayOut checks that no key names a file outside of the folder, and that other files in the
// folder are left alone.
func TestNoWayOut(t *testing.T) {
	dir := t.TempDir()
	s := open(t, filepath.Join(dir, "sessions"), time.Now)
	outside := filepath.Join(dir, "outside")
	if err := os.WriteFile(outside, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	key := sessiontest.Key(t)
	if err := os.Symlink(outside, filepath.Join(dir, "sessions", file.DefaultPrefix+key)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Load(t.Context(), key); !errors.Is(err, session.ErrUnavailable) || strings.Contains(err.Error(), key) {
		t.Errorf("a link to elsewhere: %v, want unavailable and no key", err)
	}
	for _, name := range []string{"../outside", "/../../outside", "", strings.ToUpper(key)} {
		if _, err := s.Load(t.Context(), name); !errors.Is(err, session.ErrNotFound) {
			t.Errorf("Load(%q): %v", name, err)
		}
		if err := s.Delete(t.Context(), name); err != nil {
			t.Errorf("Delete(%q): %v", name, err)
		}
		if err := s.Create(t.Context(), session.Session{Key: name, Data: []byte("{}")}); err == nil {
			t.Errorf("Create(%q): no error", name)
		}
	}
	foreign := filepath.Join(dir, "sessions", file.DefaultPrefix+key[1:]+"_out_x")
	if err := os.WriteFile(foreign, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if n, err := s.ClearExpired(t.Context(), 10); n != 0 && err == nil {
		t.Errorf("ClearExpired: %d, %v", n, err)
	}
	for _, name := range []string{outside, foreign} {
		if _, err := os.Stat(name); err != nil {
			t.Error(err)
		}
	}
}

func TestFolderGone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "sessions")
	s := open(t, dir, time.Now)
	if err := s.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(dir, dir+"2"); err != nil {
		t.Fatal(err)
	}
	if err := s.Ping(t.Context()); !errors.Is(err, session.ErrUnavailable) {
		t.Errorf("Ping: %v", err)
	}
	if _, err := file.Open(dir, file.Options{}); !errors.Is(err, session.ErrUnavailable) {
		t.Errorf("Open: %v", err)
	}
}
