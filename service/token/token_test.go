package token

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"
)

var start = time.Date(2026, 11, 27, 2, 0, 0, 0, time.UTC)

// fixture is a folder with a clock and a log.
type fixture struct {
	*testing.T
	path string
	now  time.Time
	log  bytes.Buffer
}

func newFixture(t *testing.T) *fixture { return &fixture{T: t, path: t.TempDir(), now: start} }

func (f *fixture) key(algorithm string) *Key {
	f.Helper()
	k, err := New(f.path, algorithm, f.now)
	if err != nil {
		f.Fatal(err)
	}
	return k
}

func (f *fixture) open() *Folder {
	f.Helper()
	folder, err := Open(f.path, DefaultOverlap, func() time.Time { return f.now }, slog.New(slog.NewTextHandler(&f.log, nil)))
	if err != nil {
		f.Fatal(err)
	}
	return folder
}

func (f *fixture) write(name string, text []byte, mode os.FileMode) {
	f.Helper()
	path := filepath.Join(f.path, name)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		f.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		f.Fatal(err)
	}
}

// kid returns the ID of the key that signs, whose token must verify by the key set.
func (f *fixture) kid(folder *Folder) string {
	f.Helper()
	text, err := folder.Sign([]byte(`{"sub":"7"}`))
	if err != nil {
		f.Fatal(err)
	}
	got, err := jwt.Parse(text, func(of *jwt.Token) (any, error) {
		set, _, err := folder.JWKS()
		if err != nil || of.Header["typ"] != "JWT" {
			return nil, errors.Join(err, errors.New("no set, or another typ"))
		}
		for _, k := range set.Key(of.Header["kid"].(string)) {
			return k.Key, nil
		}
		return nil, errors.New("the key that signs is not published")
	})
	if err != nil {
		f.Fatalf("%s: %v", text, err)
	}
	return got.Header["kid"].(string)
}

func published(t *testing.T, folder *Folder) (ids []string) {
	set, _, err := folder.JWKS()
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range set.Keys {
		ids = append(ids, k.KeyID)
	}
	return ids
}

// TestRotation goes through the life of keys: a new one is published before it signs, and the one
// before it until its last token has ended.
func TestRotation(t *testing.T) {
	f := newFixture(t)
	first := f.key(ES256)
	folder := f.open()
	if f.kid(folder) != first.ID {
		t.Error("the first key does not sign at once")
	}
	f.now = start.Add(time.Hour)
	second := f.key(EdDSA)
	for _, tt := range []struct {
		after     time.Duration
		signs     *Key
		published []string
		states    []string
	}{
		{time.Hour, first, []string{first.ID, second.ID}, []string{Signing, Published}},
		{time.Hour + DefaultOverlap - time.Second, first, []string{first.ID, second.ID}, []string{Signing, Published}},
		{time.Hour + DefaultOverlap, second, []string{first.ID, second.ID}, []string{Previous, Signing}},
		{time.Hour + DefaultOverlap + kept - time.Second, second, []string{first.ID, second.ID}, []string{Previous, Signing}},
		{time.Hour + DefaultOverlap + kept, second, []string{second.ID}, []string{Retired, Signing}},
	} {
		f.now = start.Add(tt.after)
		if got := f.kid(folder); got != tt.signs.ID {
			t.Errorf("after %s %s signs, want %s", tt.after, got, tt.signs.ID)
		}
		if got := published(t, folder); !slices.Equal(got, tt.published) {
			t.Errorf("after %s %q are published, want %q", tt.after, got, tt.published)
		}
		keys := folder.Keys()
		for i, want := range tt.states {
			if got := State(keys, DefaultOverlap, i, f.now); got != want {
				t.Errorf("after %s %s is %s, want %s", tt.after, keys[i].ID, got, want)
			}
			if next := Next(keys, DefaultOverlap, i, f.now); !next.IsZero() && State(keys, DefaultOverlap, i, next) == want {
				t.Errorf("after %s %s is still %s when the next state begins", tt.after, keys[i].ID, want)
			}
		}
	}
	if another := f.open(); f.kid(another) != f.kid(folder) {
		t.Error("two replicas with one folder sign with different keys")
	}
	// A key that got out is deleted: the next one signs at once, however new.
	third := f.key(ES256)
	if err := os.Remove(filepath.Join(f.path, second.File)); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(f.path, first.File)); err != nil {
		t.Fatal(err)
	}
	f.now = f.now.Add(rereadEvery)
	if got := f.kid(folder); got != third.ID {
		t.Errorf("%s signs when the others were deleted, want %s", got, third.ID)
	}
	if got := published(t, folder); !slices.Equal(got, []string{third.ID}) {
		t.Errorf("%q are published, want the last alone", got)
	}
}

func pemOf(t *testing.T, private any) []byte {
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// TestRefusedFiles holds that what is no key, or is not private, is not used, and is named.
func TestRefusedFiles(t *testing.T) {
	small, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	other, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	good, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public, err := json.Marshal(jose.JSONWebKey{Key: good.Public(), KeyID: "x"})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		text []byte
		mode os.FileMode
		want string
	}{
		{"a.pem", pemOf(t, small), 0o600, "must be a private key"},
		{"a.pem", pemOf(t, other), 0o600, "P-256"},
		{"a.json", public, 0o600, "must be a private key"},
		{"a.json", []byte(`{"kty":"oct","k":"c2VjcmV0"}`), 0o600, "a JWK"},
		{"a.json", []byte(`{"kty":"EC","crv":"P-256","x":"AA","y":"AA","d":"AA"}`), 0o600, "a JWK"},
		{"a.pem", []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), 0o600, "no private key"},
		{"a.pem", nil, 0o600, "neither PEM nor a JWK"},
		{"a.pem", append(pemOf(t, good), bytes.Repeat([]byte(" "), maxKeyBytes)...), 0o600, "bytes"},
		{"a.pem", pemOf(t, good), 0o644, "chmod 600"},
		{"a.pem", pemOf(t, good), 0o660, "chmod 600"},
		{"a b.pem", pemOf(t, good), 0o600, "its name"},
		{strings.Repeat("a", maxID+1) + ".pem", pemOf(t, good), 0o600, "its name"},
	} {
		f := newFixture(t)
		f.write(tt.name, tt.text, tt.mode)
		_, err := Open(f.path, DefaultOverlap, time.Now, slog.New(slog.DiscardHandler))
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), tt.name) {
			t.Errorf("%s: the error is %v, want %q in it", tt.name, err, tt.want)
		}
		k := f.key(ES256)
		folder := f.open()
		if got := f.kid(folder); got != k.ID || len(folder.Warnings()) != 1 {
			t.Errorf("%s: beside it %s signs, with the warnings %q", tt.name, got, folder.Warnings())
		}
	}
}

// TestForms holds which forms of keys are read, and that the key set has nothing that is private.
func TestForms(t *testing.T) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	sec1, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	jwk, err := json.Marshal(jose.JSONWebKey{Key: private, KeyID: "another"})
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{
		"mine.pem": pemOf(t, private), "old.pem": pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: sec1}), "a.jwk": jwk, "b.json": jwk,
	} {
		f := newFixture(t)
		f.write(name, text, 0o440)
		f.write(".hidden.pem", []byte("x"), 0o600)
		f.write("README", []byte("x"), 0o644)
		folder := f.open()
		if got := f.kid(folder); got != strings.TrimSuffix(name, filepath.Ext(name)) || len(folder.Warnings()) != 0 {
			t.Errorf("%s: %s signs, with the warnings %q", name, got, folder.Warnings())
		}
		set, cache, err := folder.JWKS()
		text, _ := json.Marshal(set)
		if err != nil || cache <= 0 || cache > DefaultOverlap/2 || strings.Contains(string(text), `"d"`) || !strings.Contains(string(text), `"alg":"ES256"`) {
			t.Errorf("%s: the key set is %s, for %s, %v", name, text, cache, err)
		}
	}
}

// TestMountedSecret holds that a folder as Kubernetes mounts it is reread when it is switched.
func TestMountedSecret(t *testing.T) {
	f := newFixture(t)
	top := f.path
	use := func(name string) *Key {
		f.path = filepath.Join(top, name)
		if err := os.Mkdir(f.path, 0o755); err != nil {
			t.Fatal(err)
		}
		k, err := New(f.path, ES256, f.now)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(f.path, k.File), filepath.Join(f.path, "tls.pem")); err != nil {
			t.Fatal(err)
		}
		next := filepath.Join(top, "..next")
		if err := os.Symlink(name, next); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(next, filepath.Join(top, "..data")); err != nil {
			t.Fatal(err)
		}
		f.path = top
		return k
	}
	use("..1")
	if err := os.Symlink("..data/tls.pem", filepath.Join(top, "tls.pem")); err != nil {
		t.Fatal(err)
	}
	folder := f.open()
	thumbprint := func() string {
		set, _, err := folder.JWKS()
		if err != nil || len(set.Keys) != 1 {
			t.Fatal(set, err)
		}
		text, _ := json.Marshal(set.Keys[0])
		return string(text)
	}
	before := thumbprint()
	use("..2")
	f.now = f.now.Add(rereadEvery)
	if f.kid(folder); thumbprint() == before {
		t.Error("the key is still the first")
	}
}

// TestChangedFolder holds what becomes of a service whose folder changes for the worse.
func TestChangedFolder(t *testing.T) {
	f := newFixture(t)
	k := f.key(ES256)
	folder := f.open()
	away := f.path + ".away"
	if err := os.Rename(f.path, away); err != nil {
		t.Fatal(err)
	}
	f.now = f.now.Add(rereadEvery)
	if got := f.kid(folder); got != k.ID {
		t.Errorf("without the folder %s signs, want %s as before", got, k.ID)
	}
	if w := folder.Warnings(); len(w) != 1 || !strings.Contains(w[0], "cannot be read") {
		t.Errorf("the warnings are %q", w)
	}
	if err := os.Rename(away, f.path); err != nil {
		t.Fatal(err)
	}
	f.now = f.now.Add(rereadEvery)
	if w := folder.Warnings(); len(w) != 0 {
		t.Errorf("the folder is back, and the warnings are %q", w)
	}
	if err := os.Remove(filepath.Join(f.path, k.File)); err != nil {
		t.Fatal(err)
	}
	f.now = f.now.Add(rereadEvery)
	if _, err := folder.Sign([]byte(`{}`)); !errors.Is(err, ErrNoKey) {
		t.Errorf("a deleted key signs: %v", err)
	}
	if _, _, err := folder.JWKS(); !errors.Is(err, ErrNoKey) {
		t.Errorf("the key set without keys is no error: %v", err)
	}
	if w := folder.Warnings(); len(w) != 1 || !strings.Contains(w[0], "cloakroom keys new") || !strings.Contains(f.log.String(), "cloakroom keys new") {
		t.Errorf("the warnings are %q, and the log %q", w, f.log.String())
	}
	f.now = f.now.Add(-time.Hour) // the clock is set back: it is looked at all the same
	k = f.key(EdDSA)
	if got := f.kid(folder); got != k.ID {
		t.Errorf("%s signs, want %s", got, k.ID)
	}
}

// TestManyKeys holds the bound of a folder's keys: the newest are used.
func TestManyKeys(t *testing.T) {
	f := newFixture(t)
	text := pemOf(t, func() any { k, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader); return k }())
	for i := range maxKeys + 3 {
		f.write(fmt.Sprintf("%s-%d.pem", start.Add(time.Duration(i)*time.Second).Format(nameTime), i), text, 0o600)
	}
	folder := f.open()
	if keys := folder.Keys(); len(keys) != maxKeys || !keys[0].Made.Equal(start.Add(3*time.Second)) {
		t.Errorf("%d keys, the first of %s", len(keys), keys[0].Made)
	}
	if w := folder.Warnings(); len(w) != 1 || !strings.Contains(w[0], "64") {
		t.Errorf("the warnings are %q", w)
	}
}
