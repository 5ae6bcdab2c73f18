package service_test

import (
	"bytes"
	"log/slog"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"cloakroom/service"
	"cloakroom/service/audit"
	"cloakroom/session"
)

// audited starts a service with an audit log.
func audited(t *testing.T) (f *fixture, out *bytes.Buffer) {
	t.Helper()
	f, out = start(t), &bytes.Buffer{}
	handler, err := service.New(service.Config{
		Store: f.store, Feed: f.feed, Token: token, Now: f.clock.Now, Random: f.random, Log: slog.New(slog.DiscardHandler),
		Audit: audit.New(out, audit.Options{Now: f.clock.Now}),
	})
	if err != nil {
		t.Fatal(err)
	}
	f.handler = handler
	return f, out
}

// TestAuditTrace holds that a call's line has the IDs of the client's request, from the headers of
// a call by itself and from the line of a batch, and those of no other call.
func TestAuditTrace(t *testing.T) {
	const parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	f, out := audited(t)
	ended := func(body, contentPath string, headers ...string) string {
		out.Reset()
		r := httptest.NewRequest("POST", contentPath, strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+token)
		for i := 0; i < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		if status, answer := f.send(r); status != 200 {
			t.Fatalf("%d: %s", status, answer)
		}
		return out.String()
	}
	keys := []string{drawn(1), drawn(2), drawn(3), drawn(4)}
	for _, key := range keys {
		f.create(key, `{"_auth_user_id":"7"}`)
	}
	got := ended(`{"key":"`+keys[0]+`","reason":"logout"}`, "/v1/flush", "X-Request-Id", "one", "Traceparent", parent)
	if !strings.Contains(got, `"reason":"logout","user":"7","session":"`+session.ID(keys[0])+`","request_id":"one","traceparent":"`+parent+`"}`) {
		t.Errorf("a call by itself: %s", got)
	}
	// The batch's own headers are those of none of its calls.
	got = ended(`/v1/flush id=two {"key":"`+keys[1]+`"}`+"\n"+`/v1/flush parent=`+parent+` {"key":"`+keys[2]+`"}`+"\n"+`/v1/flush {"key":"`+keys[3]+`"}`+"\n", "/v1/batch", "X-Request-Id", "batch")
	for key, want := range map[string]string{keys[1]: `,"request_id":"two"}`, keys[2]: `,"traceparent":"` + parent + `"}`, keys[3]: "}"} {
		if !strings.Contains(got, `"session":"`+session.ID(key)+`"`+want) {
			t.Errorf("in a batch: %s has no %s", got, want)
		}
	}
	for _, key := range keys {
		if strings.Contains(out.String(), key) {
			t.Errorf("a key is in %s", out)
		}
	}
}

// TestAuditRejectsReasons holds that callers cannot write reasons of their own.
func TestAuditRejectsReasons(t *testing.T) {
	f, out := audited(t)
	for _, reason := range []string{"revoked", "reuse", "Logout", "x\\ny"} {
		f.create(drawn(1), `{}`)
		if status, body := f.do("POST", "/v1/flush", `{"key":"`+drawn(1)+`","reason":"`+reason+`"}`); status != 400 || out.Len() > 0 {
			t.Errorf("%s: %d %s, %s", reason, status, body, out)
		}
		if err := f.store.Delete(t.Context(), drawn(1)); err != nil {
			t.Fatal(err)
		}
	}
}

// TestAuditOfSignedCookies holds whose session in a cookie has ended, once however often.
func TestAuditOfSignedCookies(t *testing.T) {
	f, out := audited(t)
	of := session.Signed{ID: drawn(1), Since: 1, User: "7"}
	for range 3 {
		if status, body := f.do("POST", "/v1/flush", `{"key":"`+of.ID+`","age":60,"reason":"logout","signed":"`+of.String()+`"}`); status != 200 {
			t.Fatalf("%d %s", status, body)
		}
	}
	if got := out.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, `"event":"session_expired","reason":"logout","user":"7","session":"`+session.ID(of.ID)+`"`) {
		t.Errorf("got %s", got)
	}
	for _, signed := range []string{"x", session.Signed{ID: drawn(2), User: "7"}.String()} {
		if status, body := f.do("POST", "/v1/flush", `{"key":"`+of.ID+`","age":60,"signed":"`+signed+`"}`); status != 400 {
			t.Errorf("%s: %d %s", signed, status, body)
		}
	}
}

// TestAuditReasons holds the reasons for which an account refuses a session.
func TestAuditReasons(t *testing.T) {
	f, users, hasher := withAccounts(t)
	var out bytes.Buffer
	handler, err := service.New(service.Config{
		Store: f.store, Feed: f.feed, Token: token, Now: f.clock.Now, Random: f.random, Log: slog.New(slog.DiscardHandler),
		Accounts: &service.Accounts{Users: users, Hasher: hasher}, Audit: audit.New(&out, audit.Options{Now: f.clock.Now}),
	})
	if err != nil {
		t.Fatal(err)
	}
	f.handler = handler
	data := func(id, backend, password string) string {
		return `{"_auth_user_id":"` + id + `","_auth_user_backend":"` + backend + `","_auth_user_hash":"` + hasher.Hash(password) + `"}`
	}
	for i, tt := range []struct {
		reason audit.Reason
		data   string
	}{
		{"", data("7", service.DefaultAuthBackend, "pbkdf2$seven")},
		{audit.PasswordHash, data("7", service.DefaultAuthBackend, "another")},
		{audit.Backend, data("7", "another.Backend", "pbkdf2$seven")},
		{audit.NoAccount, data("404", service.DefaultAuthBackend, "")},
		{audit.Inactive, data("8", service.DefaultAuthBackend, "pbkdf2$eight")},
		{audit.ForeignUserID, data("07", service.DefaultAuthBackend, "pbkdf2$seven")},
	} {
		out.Reset()
		f.create(drawn(i), tt.data)
		for range 3 {
			f.do("POST", "/v1/lookup", `{"key":"`+drawn(i)+`"}`)
		}
		want := ""
		if tt.reason != "" {
			want = `"event":"authz_fail","reason":"` + string(tt.reason) + `"`
		}
		if got := out.String(); !strings.Contains(got, want) || strings.Count(got, "\n") != min(1, len(want)) {
			t.Errorf("%q: %s", tt.reason, got)
		}
	}
}

// TestChangedUser holds that a change of an account is published for its user.
func TestChangedUser(t *testing.T) {
	f, _ := audited(t)
	for _, tt := range []struct {
		body   string
		status int
		events []string
	}{
		{`{"user":"7"}`, 200, []string{session.UserEvent("7")}},
		{`{"user":"7","key":"` + drawn(1) + `"}`, 400, nil},
		{`{"user":"7","ended":true}`, 400, nil},
		{`{"user":"` + strings.Repeat("7", 256) + `"}`, 400, nil},
		{`{"user":"a\u0000"}`, 400, nil},
		{`{"user":""}`, 400, nil},
		{`{"user":7}`, 400, nil},
		{`{}`, 400, nil},
	} {
		before := f.page("")
		if status, body := f.do("POST", "/v1/changed", tt.body); status != tt.status {
			t.Errorf("%s: %d %s, want %d", tt.body, status, body, tt.status)
		}
		if got := f.page(before.Cursor).Events; !slices.Equal(got, tt.events) {
			t.Errorf("%s: the events are %q, want %q", tt.body, got, tt.events)
		}
	}
}
