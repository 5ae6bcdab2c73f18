package service_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"cloakroom/api"
	"cloakroom/service"
	"cloakroom/session"
)

// attributed are accounts with attributes.
type attributed struct {
	*accounts
	values map[string]session.Attribute
	asked  [][]string
}

func (a *attributed) UserWith(ctx context.Context, id string, names []string) (session.User, []session.Attribute, error) {
	a.asked = append(a.asked, names)
	user, err := a.User(ctx, id)
	var attributes []session.Attribute
	for _, name := range names {
		value, ok := a.values[name]
		value.Name, value.Unknown = name, !ok
		attributes = append(attributes, value)
	}
	return user, attributes, err
}

func (a *attributed) Lacking(_ context.Context, names []string) ([]string, error) {
	if a.broken {
		return nil, errors.New("away")
	}
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { _, ok := a.values[name]; return ok }), nil
}

// withAttributes serves with attributes: a text of 40 KiB, another, and one over a bound.
func withAttributes(t *testing.T) (*fixture, *attributed, string) {
	f, plain, hasher := withAccounts(t)
	large := `"` + strings.Repeat("x", 40<<10) + `"`
	a := &attributed{accounts: plain, values: map[string]session.Attribute{
		"email": {Value: `"seven@example.com"`}, "large": {Value: large}, "larger": {Value: large[:1] + "y" + large[1:]}, "groups": {Omitted: true},
	}}
	var err error
	f.handler, err = service.New(service.Config{Store: f.store, Token: token, Now: f.clock.Now, Random: f.random,
		Accounts: &service.Accounts{Users: a, Hasher: hasher}, Log: slog.New(slog.NewTextHandler(&f.log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	data := `{"_auth_user_id":"7","_auth_user_backend":"` + service.DefaultAuthBackend + `","_auth_user_hash":"` + hasher.Hash("pbkdf2$seven") + `"}`
	f.create(k, data)
	return f, a, data
}

// TestAttributes holds that what has no room is named, and so is what no account has.
func TestAttributes(t *testing.T) {
	f, a, data := withAttributes(t)
	live := func(rest string) string { return `{"state":"live","expires":1800003600,"data":` + data + rest + `}` }
	for _, tt := range []struct{ names, want string }{
		{``, live(``)},
		{`,"attributes":[]`, live(``)},
		{`,"attributes":["email"]`, live(`,"user":{"email":"seven@example.com"}`)},
		{`,"attributes":["larger","large","groups","email"]`, live(`,"user":{"email":"seven@example.com","large":` + a.values["large"].Value + `},"user_omitted":["groups","larger"]`)},
		{`,"attributes":["tenant_id"]`, live(`,"user":{},"user_unknown":["tenant_id"]`)},
	} {
		if status, got := f.do("POST", "/v1/lookup", `{"key":"`+k+`"`+tt.names+`}`); status != 200 || got != tt.want {
			t.Errorf("%s: got %d %.300s, want %.300s", tt.names, status, got, tt.want)
		}
	}
	if len(a.asked) != 3 {
		t.Errorf("attributes were read %d times, want 3: not where none is named", len(a.asked))
	}
	if status, got := f.do("POST", "/v1/verify", `{"signed":"0123456789abcdefghijklmnopqrstuv 1 7","expires":1900000000,"attributes":["email","x"]}`); status != 200 || !strings.Contains(got, `"user":{"email":"seven@example.com"},"user_unknown":["x"]`) {
		t.Errorf("verify: got %d %s", status, got)
	}
	a.users["7"] = session.User{ID: "7", Password: "pbkdf2$seven"}
	if status, got := f.do("POST", "/v1/lookup", `{"key":"`+k+`","attributes":["email"]}`); status != 200 || got != none {
		t.Errorf("an inactive user: got %d %s", status, got)
	}
	a.broken = true
	if status, got := f.do("POST", "/v1/lookup", `{"key":"`+k+`","attributes":["email"]}`); status != 503 {
		t.Errorf("accounts away: got %d %s", status, got)
	}
}

// TestAttributesLacking holds that an operator learns of what no account has, also before there is
// a session.
func TestAttributesLacking(t *testing.T) {
	f, a, _ := withAttributes(t)
	absent := strings.Repeat("0", session.KeyLength)
	if status, got := f.do("POST", "/v1/lookup", `{"key":"`+absent+`","attributes":["email","tenant_id"]}`); status != 200 || got != `{"state":"none","user_unknown":["tenant_id"]}` {
		t.Errorf("got %d %s", status, got)
	}
	if !strings.Contains(f.log.String(), "tenant_id") {
		t.Errorf("the log does not name it: %s", f.log.String())
	}
	if _, got := f.do("GET", "/readyz", ""); !strings.Contains(got, "(user.tenant_id)") {
		t.Errorf("readyz does not name it: %s", got)
	}
	a.values["tenant_id"] = session.Attribute{Value: "12"}
	f.do("POST", "/v1/lookup", `{"key":"`+absent+`","attributes":["email","tenant_id"]}`)
	if _, got := f.do("GET", "/readyz", ""); strings.Contains(got, "tenant_id") {
		t.Errorf("readyz names it still: %s", got)
	}
}

func TestAttributesRefused(t *testing.T) {
	f, _, _ := withAttributes(t)
	var many []string
	for i := range api.MaxAttributes + 1 {
		many = append(many, fmt.Sprintf(`"a%d"`, i))
	}
	for _, names := range []string{`"email"`, `[1]`, `[""]`, `["a\u0000"]`, `["email","email"]`, `["` + strings.Repeat("a", 64) + `"]`, `[` + strings.Join(many, ",") + `]`} {
		if status, got := f.do("POST", "/v1/lookup", `{"key":"`+k+`","attributes":`+names+`}`); status != 400 {
			t.Errorf("%s: got %d %s", names, status, got)
		}
	}
}

// TestAttributesUnchecked has no accounts.
func TestAttributesUnchecked(t *testing.T) {
	f := start(t)
	f.create(k, `{"_auth_user_id":"7"}`)
	want := `{"state":"live","expires":1800003600,"data":{"_auth_user_id":"7"},"user":{},"user_unknown":["email"]}`
	if status, got := f.do("POST", "/v1/lookup", `{"key":"`+k+`","attributes":["email"]}`); status != 200 || got != want {
		t.Errorf("got %d %s, want %s", status, got, want)
	}
}
