package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"cloakroom/session"
	"cloakroom/session/django"
	"cloakroom/store"
)

// secret returns the value of NAME, or the content of the file that NAME_FILE names, without the
// trailing newline. It returns "" if neither is set.
func (a *app) secret(name string) (string, error) {
	value, _ := a.env(name)
	file, fromFile := a.env(name + "_FILE")
	switch {
	case !fromFile || file == "":
		return value, nil
	case value != "":
		return "", fmt.Errorf("%w: set %s or %s_FILE, not both", errUsage, name, name)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("%s_FILE: %w", name, err)
	}
	return strings.TrimRight(string(text), "\r\n"), nil
}

func (a *app) requiredSecret(name, what string) (string, error) {
	value, err := a.secret(name)
	if err == nil && value == "" {
		err = fmt.Errorf("%w: set %s or %s_FILE to %s", errUsage, name, name, what)
	}
	return value, err
}

func (a *app) codec() (*django.Codec, error) { return withKeys(a, django.NewCodec) }

func (a *app) authHasher() (*django.AuthHasher, error) { return withKeys(a, django.NewAuthHasher) }

// withKeys calls make with Django's SECRET_KEY and its fallbacks.
func withKeys[T any](a *app, make func(key string, fallbacks ...string) (T, error)) (none T, _ error) {
	key, err := a.requiredSecret("CLOAKROOM_SECRET_KEY", "Django's SECRET_KEY")
	if err != nil {
		return none, err
	}
	fallbacks, err := a.secret("CLOAKROOM_SECRET_KEY_FALLBACKS")
	if err != nil {
		return none, err
	}
	return make(key, strings.Fields(fallbacks)...)
}

// storeFlag is the flag that names the store.
type storeFlag struct {
	Store string `required:"" placeholder:"URL" env:"CLOAKROOM_STORE" help:"The sessions' store: sqlite:///path/db.sqlite3, postgres://user@host/dbname, redis://host:6379/0, file:///folder, 'cached+postgres://… redis://…', or memory: for trials."`
}

// openReadable opens an existing store, with the codec to read its data.
func (f storeFlag) openReadable(ctx context.Context, a *app) (session.Store, error) {
	codec, err := a.codec()
	if err != nil {
		return nil, err
	}
	return store.Open(ctx, f.Store, store.Options{Codec: codec})
}

// openReading is openReadable for commands that change nothing, and need no write access.
func (f storeFlag) openReading(ctx context.Context, a *app) (session.Store, error) {
	codec, err := a.codec()
	if err != nil {
		return nil, err
	}
	return store.Open(ctx, f.Store, store.Options{Codec: codec, ReadOnly: true})
}
