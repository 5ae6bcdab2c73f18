package service_test

import (
	"strings"
	"testing"

	"cloakroom/service"
)

// TestInactiveBackends checks that each session's backend decides whether an inactive user is
// admitted, and that logins use the first backend.
func TestInactiveBackends(t *testing.T) {
	f, a, hasher := withAccounts(t)
	const strict, lenient = "one.Backend", "two.Backend"
	with := func(backends ...string) {
		var err error
		f.handler, err = service.New(service.Config{
			Store: f.store, Token: token, Now: f.clock.Now, Random: f.random,
			Accounts: &service.Accounts{Users: a, Hasher: hasher, Backends: backends, InactiveBackends: []string{lenient, "gone.Backend"}},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	with(strict, lenient)
	for backend, live := range map[string]bool{strict: false, lenient: true, "gone.Backend": false} {
		f.create(k, `{"_auth_user_id":"8","_auth_user_backend":"`+backend+`","_auth_user_hash":"`+hasher.Hash("pbkdf2$eight")+`"}`)
		if _, got := f.do("POST", "/v1/lookup", `{"key":"`+k+`"}`); (got != none) != live {
			t.Errorf("%s: got %s, want live: %v", backend, got, live)
		}
		f.do("POST", "/v1/flush", `{"key":"`+k+`"}`)
	}
	f.create(k, `{"_auth_user_id":"8","_auth_user_backend":"`+lenient+`","_auth_user_hash":"`+hasher.Hash("pbkdf2$before")+`"}`)
	if _, got := f.do("POST", "/v1/lookup", `{"key":"`+k+`"}`); got != none {
		t.Errorf("an older password's hash: got %s, want %s", got, none)
	}
	if _, got := f.do("POST", "/v1/login", `{"user":"8","age":60}`); got != none {
		t.Errorf("a login by %s: got %s, want %s", strict, got, none)
	}
	with(lenient, strict)
	if _, got := f.do("POST", "/v1/login", `{"user":"8","age":60}`); !strings.Contains(got, `"_auth_user_backend":"`+lenient+`"`) {
		t.Errorf("a login by %s: got %s", lenient, got)
	}
}
