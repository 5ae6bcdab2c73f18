package service_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"cloakroom/service"
	"cloakroom/session"
)

func TestCalls(t *testing.T) {
	gone := session.ErrNotFound.Error()
	for _, c := range []struct {
		name, path, body string // K is the session's key
		want, after      string // N is the new key
	}{
		{"lookup", "lookup", `{"key":"K"}`, `{"state":"live","expires":1800003600,"data":{"a":1,"b":{"c":2}}}`, `{"a":1,"b":{"c":2}} until 1800003600`},
		{"update", "update", `{"key":"K","patch":{"x":"<é>"},"age":60}`,
			`{"state":"live","expires":1800000060,"data":{"a":1,"b":{"c":2},"x":"<\u00e9>"}}`, `{"a":1,"b":{"c":2},"x":"<\u00e9>"} until 1800000060`},
		{"update, member deleted", "update", `{"key":"K","patch":{"a":null,"z":null},"age":60}`,
			`{"state":"live","expires":1800000060,"data":{"b":{"c":2}}}`, `{"b":{"c":2}} until 1800000060`},
		{"update, nothing", "update", `{"key":"K","patch":{},"age":60}`,
			`{"state":"live","expires":1800000060,"data":{"a":1,"b":{"c":2}}}`, `{"a":1,"b":{"c":2}} until 1800000060`},
		{"update, own expiry in seconds", "update", `{"key":"K","patch":{"a":null,"b":null,"_session_expiry":30},"age":60}`,
			`{"state":"live","expires":1800000030,"data":{"_session_expiry":30}}`, `{"_session_expiry":30} until 1800000030`},
		{"update, own expiry as a date", "update", `{"key":"K","patch":{"a":null,"b":null,"_session_expiry":"2027-01-15T08:00:07+00:00"},"age":60}`,
			`{"state":"live","expires":1800000007,"data":{"_session_expiry":"2027-01-15T08:00:07+00:00"}}`, `{"_session_expiry":"2027-01-15T08:00:07+00:00"} until 1800000007`},
		{"update, browser close", "update", `{"key":"K","patch":{"a":null,"b":null,"_session_expiry":0},"age":60}`,
			`{"state":"live","expires":1800000060,"data":{"_session_expiry":0}}`, `{"_session_expiry":0} until 1800000060`},
		{"update, ended by itself", "update", `{"key":"K","patch":{"_session_expiry":-1},"age":60}`, `{"state":"ended"}`, gone},
		{"touch", "touch", `{"key":"K","age":7200}`, `{"state":"live","expires":1800007200}`, `{"a":1,"b":{"c":2}} until 1800007200`},
		{"rotate", "rotate", `{"key":"K","age":7200}`,
			`{"state":"live","key":"N","expires":1800007200,"data":{"a":1,"b":{"c":2}}}`, gone},
		{"rotate with a patch", "rotate", `{"key":"K","patch":{"a":"2","b":null},"age":7200}`,
			`{"state":"live","key":"N","expires":1800007200,"data":{"a":"2"}}`, gone},
		{"create", "create", `{"data":{ "n": 1.50 },"age":10}`, `{"state":"live","key":"N","expires":1800000010,"data":{"n":1.50}}`, `{"a":1,"b":{"c":2}} until 1800003600`},
		{"create, own expiry", "create", `{"data":{"_session_expiry":99},"age":10}`, `{"state":"live","key":"N","expires":1800000099,"data":{"_session_expiry":99}}`, `{"a":1,"b":{"c":2}} until 1800003600`},
		{"flush", "flush", `{"key":"K"}`, none, gone},
		{"lookup, unknown", "lookup", `{"key":"U"}`, none, ""},
		{"update, unknown", "update", `{"key":"U","patch":{},"age":60}`, none, ""},
		{"touch, unknown", "touch", `{"key":"U","age":60}`, none, ""},
		{"rotate, unknown", "rotate", `{"key":"U","age":60}`, none, ""},
		{"flush, unknown", "flush", `{"key":"U"}`, none, ""},
		{"lookup, impossible key", "lookup", `{"key":"../K"}`, none, ""},
		{"flush, impossible key", "flush", `{"key":""}`, none, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := start(t)
			f.create(k, `{"a":1,"b":{"c":2}}`)
			names := strings.NewReplacer(`"K`, `"`+k, `/K`, `/`+k, `"U"`, `"`+unknown+`"`, `"N"`, `"`+drawn(0)+`"`)
			status, got := f.do("POST", "/v1/"+c.path, names.Replace(c.body))
			if want := names.Replace(c.want); status != 200 || got != want {
				t.Errorf("got %d %s, want 200 %s", status, got, want)
			}
			if c.after != "" && f.stored(k) != c.after {
				t.Errorf("stored %s, want %s", f.stored(k), c.after)
			}
			if strings.Contains(c.want, `"N"`) && !strings.HasPrefix(f.stored(drawn(0)), "{") {
				t.Errorf("nothing is stored under the new key")
			}
		})
	}
}

func TestExpired(t *testing.T) {
	for _, path := range []string{"lookup", "update", "touch", "rotate", "flush"} {
		f := start(t)
		f.create(k, `{"a":1}`)
		body := map[string]string{
			"lookup": `{"key":"` + k + `"}`, "flush": `{"key":"` + k + `"}`,
			"update": `{"key":"` + k + `","patch":{"b":1},"age":60}`,
		}[path]
		if body == "" {
			body = `{"key":"` + k + `","age":60}`
		}
		f.clock.Advance(time.Hour)
		if status, got := f.do("POST", "/v1/"+path, body); status != 200 || got != none {
			t.Errorf("%s at the expiry: got %d %s, want 200 %s", path, status, got, none)
		}
	}
}

func TestRefused(t *testing.T) {
	f := start(t)
	f.create(k, `{"a":1}`)
	before := f.stored(k)
	long := strings.Repeat("x", service.DefaultMaxData)
	for _, c := range []struct {
		path, body string
		status     int
	}{
		{"/v1/lookup", ``, 400},
		{"/v1/lookup", `null`, 400},
		{"/v1/lookup", `{`, 400},
		{"/v1/lookup", `[]`, 400},
		{"/v1/lookup", `{}`, 400},
		{"/v1/lookup", `{"key":null}`, 400},
		{"/v1/lookup", `{"key":1}`, 400},
		{"/v1/lookup", `{"key":"` + k + `","age":1}`, 400},
		{"/v1/lookup", `{"key":"` + k + `"}{}`, 400},
		{"/v1/lookup", `{"key":"` + k + `"}x`, 400},
		{"/v1/lookup", `{"key":"` + k + `"` + strings.Repeat(" ", 1<<20) + `}`, 413},
		{"/v1/flush", `{"keys":["` + k + `"]}`, 400},
		{"/v1/flush", `{"key":"` + k + `","user":"1"}`, 400},
		{"/v1/flush", `{"key":"` + k + `","age":-1}`, 400},
		{"/v1/flush", `{"key":"` + k + `","age":60,"before":1000}`, 400},
		{"/v1/flush", `{"user":"1","before":1000}`, 400},
		{"/v1/flush", `{"user":"1","age":60,"before":99999999999}`, 400},
		{"/v1/flush", `{"user":"1","age":60,"before":-1}`, 400},
		{"/v1/verify", `{}`, 400},
		{"/v1/verify", `{"signed":"` + k + `","expires":9999999999}`, 400},
		{"/v1/verify", `{"signed":"../k 1 ","expires":9999999999}`, 400},
		{"/v1/verify", `{"signed":"` + k + ` x 1","expires":9999999999}`, 400},
		{"/v1/touch", `{"key":"` + k + `"}`, 400},
		{"/v1/touch", `{"key":"` + k + `","age":0}`, 400},
		{"/v1/touch", `{"key":"` + k + `","age":-1}`, 400},
		{"/v1/touch", `{"key":"` + k + `","age":1.5}`, 400},
		{"/v1/touch", `{"key":"` + k + `","age":"60"}`, 400},
		{"/v1/touch", `{"key":"` + k + `","age":3153600001}`, 400},
		{"/v1/touch", `{"key":"` + k + `","age":99999999999999999999}`, 400},
		{"/v1/update", `{"key":"` + k + `","age":60}`, 400},
		{"/v1/update", `{"key":"` + k + `","patch":null,"age":60}`, 400},
		{"/v1/update", `{"key":"` + k + `","patch":[],"age":60}`, 400},
		{"/v1/update", `{"key":"` + k + `","patch":{"a":"` + "\xff" + `"},"age":60}`, 400},
		{"/v1/update", `{"key":"` + k + `","patch":{"_session_expiry":"tomorrow"},"age":60}`, 400},
		{"/v1/update", `{"key":"` + k + `","patch":{"_session_expiry":{}},"age":60}`, 400},
		{"/v1/update", `{"key":"` + k + `","patch":{"b":"` + long + `"},"age":60}`, 413},
		{"/v1/rotate", `{"key":"` + k + `","patch":{"b":"` + long + `"},"age":60}`, 413},
		{"/v1/rotate", `{"key":"` + k + `","patch":"","age":60}`, 400},
		{"/v1/rotate", `{"key":"` + k + `","newkey":"x","age":60}`, 400},
		{"/v1/create", `{"data":{"b":"` + long + `"},"age":60}`, 413},
		{"/v1/create", `{"age":60}`, 400},
		{"/v1/create", `{"data":{}}`, 400},
		{"/v1/create", `{"data":{},"key":"` + k + `","age":60}`, 400},
		{"/v1/create", `{"data":` + strings.Repeat(`{"a":`, 200) + "1" + strings.Repeat("}", 200) + `,"age":60}`, 400},
		{"/v1/", `{}`, 404},
		{"/v1/lookup/", `{}`, 404},
		{"/v2/lookup", `{}`, 404},
		{"/", ``, 404},
	} {
		status, got := f.do("POST", c.path, c.body)
		var problem struct{ Error string }
		if err := json.Unmarshal([]byte(got), &problem); status != c.status || err != nil || problem.Error == "" {
			t.Errorf("%s %.80s: got %d %.200s, want %d and an error", c.path, c.body, status, got, c.status)
		}
		if strings.Contains(got, k) {
			t.Errorf("%s %.80s: the response repeats the key", c.path, c.body)
		}
	}
	if after := f.stored(k); after != before {
		t.Errorf("stored %s, want it as before", after)
	}
}

// TestLargeSession checks that a session that Django let grow past the limit can be read, touched
// and made smaller, but no larger.
func TestLargeSession(t *testing.T) {
	f := start(t)
	f.create(k, `{"a":"`+strings.Repeat("x", 2*service.DefaultMaxData)+`"}`)
	for _, c := range []struct {
		path, body string
		status     int
	}{
		{"lookup", `{"key":"` + k + `"}`, 200},
		{"touch", `{"key":"` + k + `","age":60}`, 200},
		{"update", `{"key":"` + k + `","patch":{"b":1},"age":60}`, 413},
		{"update", `{"key":"` + k + `","patch":{"a":"small"},"age":60}`, 200},
	} {
		if status, got := f.do("POST", "/v1/"+c.path, c.body); status != c.status {
			t.Errorf("%s: got %d %.200s, want %d", c.path, status, got, c.status)
		}
	}
}
