package django_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"cloakroom/service"
)

// TestWithheldIsAdmitted checks that a session with an object of the site's own class is admitted
// as its user's, without the object, can be written, and ends with all of the user's.
func TestWithheldIsAdmitted(t *testing.T) { each(t, caches[1:], testWithheldIsAdmitted) }

func testWithheldIsAdmitted(t *testing.T, d *driver) {
	var log bytes.Buffer
	handler, err := service.New(service.Config{Store: d.open(t), Open: true, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	post := func(path, body string) string {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(http.MethodPost, path, strings.NewReader(body)))
		return strings.TrimSpace(w.Body.String())
	}
	var theirs stored
	d.call(t, "create_value", args{"name": "class of the site", "protocol": 5}, &theirs)
	key := fmt.Sprintf(`{"key":%q`, theirs.Key)
	const data = `"data":{"_auth_user_id":"7","n":1},"omitted":["value","again"]}`
	if got := post("/v1/lookup", key+"}"); !strings.HasPrefix(got, `{"state":"live"`) || !strings.HasSuffix(got, data) {
		t.Errorf("got %s, want it live with %s", got, data)
	}
	if got := log.String(); !strings.Contains(got, `\"value\": values.Cart, \"again\": values.Cart`) || strings.Contains(got, "SECRET_KEY") {
		t.Errorf("got the log %s", got)
	}
	before := d.described(t, theirs.Key, "n")
	if got := post("/v1/update", key+`,"age":60,"patch":{"n":2}}`); !strings.Contains(got, `"n":2`) {
		t.Errorf("got %s", got)
	}
	if after := d.described(t, theirs.Key, "n"); after[""] != before[""] {
		t.Errorf("got %s, want %s", after[""], before[""])
	}
	if got := post("/v1/update", key+`,"age":60,"patch":{"value":1}}`); !strings.Contains(got, "values.Cart") || !strings.Contains(log.String(), "a write is refused") {
		t.Errorf("got %s, log %s", got, log.String())
	}
	if got := post("/v1/flush", `{"user":"7"}`); got != `{"state":"none"}` {
		t.Errorf("got %s", got)
	}
	if got := post("/v1/lookup", key+"}"); got != `{"state":"none"}` {
		t.Errorf("after the flush: got %s", got)
	}
}
