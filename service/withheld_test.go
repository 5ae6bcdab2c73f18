package service_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cloakroom/session"
	"cloakroom/session/django"
	"cloakroom/store"
)

// partial returns a fixture over a store of Django's JSON with a session of user 7 whose Data
// omits two values: under "deep" one that is nested too deep, under "nan" NaN.
func partial(t *testing.T) *fixture {
	t.Helper()
	f := start(t)
	codec, err := django.NewCodec("secret")
	if err != nil {
		t.Fatal(err)
	}
	url := "sqlite://" + filepath.Join(t.TempDir(), "db")
	if f.store, err = store.Open(t.Context(), url, store.Options{Codec: codec, Create: true, Now: f.clock.Now}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.store.Close() })
	f.serve(f.store)
	f.put(k, `{"_auth_user_id":"7","nan":null,"n":1}`, `{"nan":NaN,"deep":`+deep+`}`)
	return f
}

var deep = strings.Repeat("[", django.MaxDepth) + strings.Repeat("]", django.MaxDepth)

// put stores a session that Django wrote.
func (f *fixture) put(key, data, document string) {
	f.Helper()
	v := session.Session{Key: key, Data: []byte(data), Origin: &session.Origin{Text: document}, Expires: f.clock.Now().Add(time.Hour)}
	if err := f.store.Create(f.Context(), v); err != nil {
		f.Fatal(err)
	}
}

// document returns the stored document of a key.
func (f *fixture) document(key string) string {
	f.Helper()
	v, err := f.store.Load(f.Context(), key)
	if err != nil {
		f.Fatal(err)
	}
	if v.Origin == nil {
		return string(v.Data)
	}
	return strings.ReplaceAll(v.Origin.Text, deep, "DEEP")
}

// TestWithheld checks that a session with withheld values is admitted as its user's, without them,
// is counted, and that the log names the keys.
func TestWithheld(t *testing.T) {
	f := partial(t)
	const want = `{"state":"live","expires":1800003600,"data":{"nan":null,"_auth_user_id":"7","n":1},"omitted":["deep"]}`
	if status, got := f.do("POST", "/v1/lookup", `{"key":"`+k+`"}`); status != 200 || got != want {
		t.Errorf("got %d %s, want %s", status, got, want)
	}
	f.metric("cloakroom_withheld_sessions_total 1")
	f.metric("cloakroom_unreadable_sessions_total 0")
	if log := f.log.String(); !strings.Contains(log, `\"deep\": nested too deep`) || strings.Contains(log, "SECRET_KEY") {
		t.Errorf("got the log %s", log)
	}
	f.silentAbout(k)
}

// TestWritesKeepWhatIsWithheld checks that writes keep withheld values, unless they remove them or
// end the user's login.
func TestWritesKeepWhatIsWithheld(t *testing.T) {
	for _, row := range []struct{ name, path, body, want string }{
		{"another key", "update", `"patch":{"n":2}`, `{"nan":NaN,"deep":DEEP,"_auth_user_id":"7","n":2}`},
		{"removed", "update", `"patch":{"deep":null}`, `{"nan":NaN,"_auth_user_id":"7","n":1}`},
		{"removed too", "update", `"patch":{"nan":null}`, `{"deep":DEEP,"_auth_user_id":"7","n":1}`},
		{"a new key", "rotate", `"patch":{"n":2}`, `{"nan":NaN,"deep":DEEP,"_auth_user_id":"7","n":2}`},
		{"stamped", "touch", `"stamp":true`, `{"nan":NaN,"deep":DEEP,"_auth_user_id":"7","n":1,"_cloakroom_created":1800000000,"_cloakroom_seen":1800000000}`},
		{"the same user", "login", `"user":"7","patch":{"deep":null}`, `{"nan":NaN,"_auth_user_id":"7","n":1,"_auth_user_backend":"django.contrib.auth.backends.ModelBackend"}`},
		{"another user", "login", `"user":"8"`, `{"_auth_user_id":"8","_auth_user_backend":"django.contrib.auth.backends.ModelBackend"}`},
	} {
		f := partial(t)
		status, got := f.do("POST", "/v1/"+row.path, `{"key":"`+k+`","age":60,`+row.body+`}`)
		if status != 200 || !strings.Contains(got, `"live"`) {
			t.Errorf("%s: got %d %s", row.name, status, got)
			continue
		}
		key := k
		if row.path == "rotate" || row.path == "login" {
			key = drawn(0)
		}
		if got := f.document(key); got != row.want {
			t.Errorf("%s: got %s, want %s", row.name, got, row.want)
		}
	}
}

// TestCycleKeepsWhatIsWithheld checks that a session with a second key has all values under both.
func TestCycleKeepsWhatIsWithheld(t *testing.T) {
	f := partial(t)
	if status, got := f.do("POST", "/v1/cycle", `{"key":"`+k+`","grace":60}`); status != 200 || !strings.Contains(got, `"live"`) {
		t.Fatalf("got %d %s", status, got)
	}
	if got, want := f.document(drawn(0)), `{"nan":NaN,"deep":DEEP,"_auth_user_id":"7","n":1,"_cloakroom_cycled":1800000000}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestUnwritable checks that a write that would lose a value is rejected, changes nothing, and
// that the log says why.
func TestUnwritable(t *testing.T) {
	for name, patch := range map[string]string{"withheld": `{"deep":1}`, "NaN": `{"nan":1}`} {
		f := partial(t)
		before := f.document(k)
		if status, got := f.do("POST", "/v1/update", `{"key":"`+k+`","age":60,"patch":`+patch+`}`); status != 422 {
			t.Errorf("%s: got %d %s, want 422", name, status, got)
		}
		if got := f.document(k); got != before {
			t.Errorf("%s: got %s, want %s", name, got, before)
		}
		if log := f.log.String(); !strings.Contains(log, "refused") || !strings.Contains(log, "kept or removed") {
			t.Errorf("%s: got the log %s", name, log)
		}
	}
}

// TestOpaque checks that a session whose user cannot be read counts as none, and that the log does
// not suspect the key.
func TestOpaque(t *testing.T) {
	f := partial(t)
	other := strings.Repeat("z", session.KeyLength)
	f.put(other, `{}`, `{"_auth_user_id":`+deep+`}`)
	if status, got := f.do("POST", "/v1/lookup", `{"key":"`+other+`"}`); status != 200 || got != none {
		t.Errorf("got %d %s, want %s", status, got, none)
	}
	f.metric("cloakroom_unreadable_sessions_total 1")
	if log := f.log.String(); !strings.Contains(log, "_auth_user_id: nested too deep") || strings.Contains(log, "SECRET_KEY") {
		t.Errorf("got the log %s", log)
	}
}
