package service_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"cloakroom/session"
	"cloakroom/session/sessiontest"
)

// TestShown checks responses for sessions whose data does not fit: they omit and name the largest
// values, and never omit the user.
func TestShown(t *testing.T) {
	f := start(t)
	many := map[string]string{"_auth_user_id": "7"}
	for i := range 100 {
		many[fmt.Sprintf("k%02d", i)] = strings.Repeat("x", 2000)
	}
	manyText, err := json.Marshal(many)
	if err != nil {
		t.Fatal(err)
	}
	big := func(n int) string { return `"` + strings.Repeat("x", n) + `"` }
	for name, tt := range map[string]struct {
		data    string
		omitted []string
		kept    []string
	}{
		"small":                {`{"_auth_user_id":"7","cart":[1]}`, nil, []string{`"cart":[1]`}},
		"as much as has room":  {`{"_auth_user_id":"7","cart":` + big(64<<10-40) + `}`, nil, []string{`"cart"`}},
		"one large value":      {`{"page":` + big(900_000) + `,"_auth_user_id":"7","cart":[1]}`, []string{"page"}, []string{`"_auth_user_id":"7"`, `"cart":[1]`}},
		"a large value of two": {`{"a":` + big(40_000) + `,"_session_expiry":60,"b":` + big(50_000) + `}`, []string{"b"}, []string{`"a"`, `"_session_expiry":60`}},
		"many":                 {string(manyText), nil, []string{`"_auth_user_id":"7"`}},
		"a large login":        {`{"_auth_user_id":` + big(70_000) + `,"n":1}`, []string{"n"}, []string{`"_auth_user_id"`}},
	} {
		key := sessiontest.Key(t)
		if err := f.store.Create(t.Context(), session.Session{Key: key, Data: []byte(tt.data), Expires: f.clock.Now().Add(time.Hour)}); err != nil {
			t.Fatal(err)
		}
		status, body := f.do("POST", "/v1/lookup", `{"key":"`+key+`"}`)
		var got struct {
			State   string
			Data    json.RawMessage
			Omitted []string
		}
		if err := json.Unmarshal([]byte(body), &got); err != nil || status != 200 || got.State != "live" {
			t.Fatalf("%s: %d %.200s, %v", name, status, body, err)
		}
		for _, part := range tt.kept {
			if !strings.Contains(string(got.Data), part) {
				t.Errorf("%s: %s is not in %.200s", name, part, got.Data)
			}
		}
		switch {
		case name == "many":
			if len(got.Data) > 64<<10 || len(got.Omitted) != 33 || got.Omitted[32] != "*" {
				t.Errorf("%s: %d bytes, %q omitted", name, len(got.Data), got.Omitted)
			}
		case !slices.Equal(got.Omitted, tt.omitted):
			t.Errorf("%s: %q omitted, want %q", name, got.Omitted, tt.omitted)
		}
	}
}
