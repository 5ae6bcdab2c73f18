package token

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"cloakroom/api"
)

// DefaultOverlap is the default of Folder's overlap: longer than verifiers cache a key set (Envoy
// 10 minutes, Istio 20).
const DefaultOverlap = 30 * time.Minute

// kept is for how long a key is published when another signs in its place: until its last token
// has ended, to a verifier whose clock is late.
const kept = api.MaxTokenTTL + 5*time.Minute

// rereadEvery is how often a folder is looked at for changes.
const rereadEvery = 2 * time.Second

// maxKeys bounds the keys of a folder.
const maxKeys = 64

// ErrNoKey is the error of signing without a key.
var ErrNoKey = errors.New("token: no key")

// Folder is the keys in the files of a folder, which is reread from time to time.
type Folder struct {
	path    string
	overlap time.Duration
	now     func() time.Time
	log     *slog.Logger

	mu       sync.Mutex
	looked   time.Time
	keys     []*Key // the oldest first
	problems []string
}

// Open reads the keys of a folder. A key that is added later signs no earlier than an overlap
// after the time that it was made at, so that verifiers have it by then. It fails where the folder
// has no key that can be used.
func Open(path string, overlap time.Duration, now func() time.Time, log *slog.Logger) (*Folder, error) {
	f := &Folder{path: path, overlap: overlap, now: now, log: log}
	if err := f.reread(now()); err != nil {
		return nil, err
	}
	if len(f.keys) == 0 {
		return nil, errors.New(strings.Join(f.problems, "; "))
	}
	return f, nil
}

// refresh rereads the folder, from time to time. A folder that cannot be read leaves the keys
// as they are.
func (f *Folder) refresh(now time.Time) {
	if since := now.Sub(f.looked); since >= 0 && since < rereadEvery {
		return
	}
	before := slices.Clone(f.problems)
	if err := f.reread(now); err != nil {
		f.problems = []string{fmt.Sprintf("the folder of the tokens' keys cannot be read, and its keys are as they were: %v", err)}
	}
	for _, p := range f.problems {
		if !slices.Contains(before, p) {
			f.log.Warn(p)
		}
	}
}

func (f *Folder) reread(now time.Time) error {
	f.looked = now
	entries, err := os.ReadDir(f.path)
	if err != nil {
		return err
	}
	f.problems = nil
	var keys []*Key
	for _, e := range entries {
		if !isKeyFile(e) {
			continue
		}
		k, err := read(filepath.Join(f.path, e.Name()))
		switch {
		case err != nil:
			f.problem(fmt.Sprintf("the key %s is not used: %v", filepath.Join(f.path, e.Name()), err))
		case slices.ContainsFunc(keys, func(other *Key) bool { return other.ID == k.ID }):
			f.problem(fmt.Sprintf("the key %s is not used: another has its name", filepath.Join(f.path, e.Name())))
		default:
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, func(a, b *Key) int { return cmp.Or(a.Made.Compare(b.Made), cmp.Compare(a.ID, b.ID)) })
	if over := len(keys) - maxKeys; over > 0 {
		f.problem(fmt.Sprintf("the folder %s has more than %d keys: the %d oldest are not used", f.path, maxKeys, over))
		keys = keys[over:]
	}
	if len(keys) == 0 {
		f.problem(fmt.Sprintf("the folder %s has no key: no token is minted, and routes that want one answer 503; run cloakroom keys new", f.path))
	}
	f.keys = keys
	return nil
}

// problem notes what is wrong with the folder; of many, the first.
func (f *Folder) problem(text string) {
	if len(f.problems) < maxKeys {
		f.problems = append(f.problems, text)
	}
}

// Warnings returns what is wrong with the folder.
func (f *Folder) Warnings() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refresh(f.now())
	return slices.Clone(f.problems)
}

// Sign returns the compact form of a payload, signed with the key whose turn it is. Without a key
// it fails with ErrNoKey.
func (f *Folder) Sign(payload []byte) (string, error) {
	k := f.signing()
	if k == nil {
		return "", ErrNoKey
	}
	signed, err := k.signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("token: %w", err)
	}
	return signed.CompactSerialize()
}

func (f *Folder) signing() *Key {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.now()
	f.refresh(now)
	if len(f.keys) == 0 {
		return nil
	}
	return f.keys[signer(f.keys, f.overlap, now)]
}

// JWKS returns the public keys that tokens may be signed with, and for how long a verifier may
// cache them. Without a key it fails with ErrNoKey.
func (f *Folder) JWKS() (set jose.JSONWebKeySet, cache time.Duration, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.now()
	f.refresh(now)
	for i, k := range f.keys {
		if State(f.keys, f.overlap, i, now) != Retired {
			set.Keys = append(set.Keys, k.public)
		}
	}
	if len(set.Keys) == 0 {
		return set, 0, ErrNoKey
	}
	return set, min(5*time.Minute, f.overlap/2), nil
}

// Keys returns the folder's keys, the oldest first.
func (f *Folder) Keys() []*Key {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refresh(f.now())
	return slices.Clone(f.keys)
}
