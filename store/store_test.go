package store_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"cloakroom/store"
)

func TestOpen(t *testing.T) {
	t.Chdir(t.TempDir())
	absolute := filepath.Join(t.TempDir(), "a b.sqlite3")
	for url, file := range map[string]string{
		"memory:":              "",
		"sqlite://" + absolute: absolute,
		"sqlite:relative.db":   "relative.db",
		"sqlite:with%20space":  "with space",
		"file://" + absolute + ".d?prefix=sid&age=24h": absolute + ".d",
	} {
		s, err := store.Open(t.Context(), url, store.Options{Create: true})
		if err != nil {
			t.Errorf("%s: got %v, want none", url, err)
			continue
		}
		defer s.Close()
		if err := s.Ping(t.Context()); err != nil {
			t.Errorf("%s: ping: got %v, want none", url, err)
		}
		if _, err := os.Stat(file); file != "" && err != nil {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	for _, url := range []string{
		"", "sqlite", "sqlite:", "sqlite://", "sqlite:///", "sqlite://host/file", "sqlite:///file?mode=ro", "sqlite::memory:", "sqlite:%zz",
		"memory://x", "memory:x", "memory:?x", "redis://localhost:port", "redis://localhost/0?unknown=1", "unix:", "postgres://localhost:port", "postgres://localhost/?sslmode=maybe", "/path/file", "SQLITE",
		"file:", "file:///", "file://host/dir", "file:///dir?age=2", "file:///dir?age=-1h", "file:///dir?prefix=../x", "file:///dir?x=1",
		"cached+sqlite:a.db", "cached+sqlite:a.db memory:", "cached+redis://localhost redis://localhost", "cached+sqlite:///a.db?x redis://localhost", "cached+memory: redis://localhost", "cached+", "://", "\x00",
	} {
		if s, err := store.Open(t.Context(), url, store.Options{}); !errors.Is(err, store.ErrURL) || s != nil {
			t.Errorf("%q: got %v, %v, want %v", url, s, err, store.ErrURL)
		}
	}
}
