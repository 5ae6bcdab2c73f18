// Package store opens session stores by URL.
package store

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"cloakroom/session"
	"cloakroom/session/django"
	"cloakroom/store/memory"
	"cloakroom/store/sqlite"
)

// ErrURL says that a store's URL is none that Open knows.
var ErrURL = errors.New("store URL")

// Options is what every store needs besides its URL.
type Options struct {
	// Codec reads and writes the sessions' data. Nil is right for deleting
	// and clearing only: everything else fails.
	Codec *django.Codec
	// Create makes what is missing: the file, the table. Without it a store
	// that is not there is session.ErrUnavailable.
	Create bool
	// Now is the store's clock; nil: time.Now.
	Now func() time.Time
}

type opener func(ctx context.Context, u *url.URL, o Options) (session.Store, error)

// openers by the URL's scheme.
var openers = map[string]opener{
	"memory": openMemory,
	"sqlite": openSQLite,
}

// Open opens the store that rawURL names:
//
//	memory:               sessions of this process alone
//	sqlite:///dir/file    Django's table in an SQLite file; sqlite:file is relative
//
// The errors are ErrURL and those of the store.
func Open(ctx context.Context, rawURL string, o Options) (session.Store, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, fmt.Errorf("%w: not a URL; %s", ErrURL, known())
	}
	open, ok := openers[u.Scheme]
	if !ok {
		return nil, fmt.Errorf("%w: scheme %q is unknown; %s", ErrURL, u.Scheme, known())
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return open(ctx, u, o)
}

func known() string {
	var schemes []string
	for scheme := range openers {
		schemes = append(schemes, scheme+":")
	}
	slices.Sort(schemes)
	return "use one of " + strings.Join(schemes, ", ")
}

func openMemory(_ context.Context, u *url.URL, o Options) (session.Store, error) {
	if rest := u.Host + u.Path + u.Opaque + u.RawQuery; rest != "" {
		return nil, fmt.Errorf("%w: write memory: and nothing after it", ErrURL)
	}
	return memory.New(o.Now), nil
}

func openSQLite(ctx context.Context, u *url.URL, o Options) (session.Store, error) {
	file := u.Path
	if u.Opaque != "" {
		var err error
		if file, err = url.PathUnescape(u.Opaque); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrURL, err)
		}
	}
	if u.Host != "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || slices.Contains([]string{"", "/", ":memory:"}, file) {
		return nil, fmt.Errorf("%w: write sqlite:///absolute/file or sqlite:relative/file", ErrURL)
	}
	return sqlite.Open(ctx, file, sqlite.Options(o))
}
