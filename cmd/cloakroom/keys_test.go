package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"cloakroom/service/token"
)

// TestKeys makes, lists and rotates keys: what is retired is deleted, and what tokens need stays.
func TestKeys(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "keys")
	if r := run(t, nil, "", "keys", "new", folder); r.status != 0 || !strings.HasPrefix(r.stdout, "made ") {
		t.Fatalf("%+v", r)
	}
	if info, err := os.Stat(folder); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder is %v, %v", info, err)
	}
	if r := run(t, nil, "", "keys", "list", folder); r.status != 0 || !regexp.MustCompile(`\A(?s)KEY .*ES256 +signing +-\n\z`).MatchString(r.stdout) {
		t.Errorf("%+v", r)
	}
	now := time.Now()
	for _, ago := range []time.Duration{9 * time.Hour, 8 * time.Hour, 40 * time.Minute} {
		if _, err := token.New(folder, token.EdDSA, now.Add(-ago)); err != nil {
			t.Fatal(err)
		}
	}
	r := run(t, nil, "", "keys", "rotate", folder, "--algorithm", "EdDSA")
	if r.status != 0 || strings.Count(r.stdout, "made ") != 1 || strings.Count(r.stdout, "deleted ") != 1 {
		t.Errorf("%+v", r)
	}
	r = run(t, nil, "", "keys", "list", folder)
	var states []string
	for line := range strings.Lines(r.stdout) {
		states = append(states, strings.Fields(line)[2])
	}
	if got := strings.Join(states, " "); got != "STATE published published signing previous" {
		t.Errorf("the states are %s, want those of five keys", got)
	}
	if strings.Contains(r.stdout, "PRIVATE") {
		t.Error("the list has a private key")
	}
	if err := os.WriteFile(filepath.Join(folder, "x.pem"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := run(t, nil, "", "keys", "list", folder); r.status != 0 || !strings.Contains(r.stderr, "x.pem is not used") {
		t.Errorf("with a file that is no key: %+v", r)
	}
	for _, args := range [][]string{{"list", t.TempDir()}, {"rotate", t.TempDir()}, {"list", "/none"}} {
		if r := run(t, nil, "", append([]string{"keys"}, args...)...); r.status != 1 {
			t.Errorf("%q: %+v", args, r)
		}
	}
	if r := run(t, nil, "", "keys", "new", folder, "--algorithm", "RS256"); r.status != 2 {
		t.Errorf("RS256: %+v", r)
	}
}
