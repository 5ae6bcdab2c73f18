package callouts

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"cloakroom/filter"
	"cloakroom/filter/config"
	"cloakroom/filter/worker"
	"cloakroom/service"
	"cloakroom/session"
	"cloakroom/session/sessiontest"
	"cloakroom/store/memory"
)

// carry sends a worker's callouts to the service, one after the other, and calls resumed with each
// result.
func carry(t *testing.T, w *worker.Worker, handler http.Handler, calls []*worker.Call, now time.Time, resumed func(worker.Step)) (batches int) {
	t.Helper()
	for len(calls) > 0 {
		c := calls[0]
		r := httptest.NewRequest("POST", c.Path, strings.NewReader(c.Body))
		r.Header.Set("Authorization", c.To.Authorization)
		for _, h := range c.Headers() {
			if !strings.HasPrefix(h[0], ":") {
				r.Header.Set(h[0], h[1])
			}
		}
		if c.Path == "/v1/batch" {
			batches++
		}
		response := httptest.NewRecorder()
		handler.ServeHTTP(response, r)
		o := w.CalloutDone(c, filter.Answer{Status: strconv.Itoa(response.Code), Body: response.Body.String()}, now)
		for _, step := range o.Resumed {
			resumed(step)
		}
		calls = append(calls[1:], o.Calls...)
	}
	return batches
}

// FuzzBatch checks that every request of a batch is admitted as its own session's user and with
// its own session's data, whatever these are.
func FuzzBatch(f *testing.F) {
	f.Add("1", "dark", "0 200 {}\n", "\u2028\r\n")
	f.Add(`"`, "\x00", `\u000a`, "/v1/lookup {}")
	route := `{"engine":{"service":{"cluster":"sessions","token":"` + token + `"}},"identity":{"headers":{},"data_keys":["*"],"data_max_bytes":1048576}}`
	config, err := config.Parse(route, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, first, second, third, fourth string) {
		if len(first+second+third+fourth) > 16<<10 {
			return // a session must not be too large
		}
		now := time.Now()
		sessions := memory.New(func() time.Time { return now })
		handler, err := service.New(service.Config{Store: sessions, Token: token, Now: func() time.Time { return now }})
		if err != nil {
			t.Fatal(err)
		}
		w := worker.New(config, worker.Options{ID: "a"})
		want := map[*worker.Stream]string{}
		var calls []*worker.Call
		for _, text := range []string{first, second, third, fourth} {
			text = strings.ToValidUTF8(text, "\ufffd")
			data, err := json.Marshal(map[string]string{"_auth_user_id": "1", "text": text})
			if err != nil {
				t.Fatal(err)
			}
			key := sessiontest.Key(t)
			if err := sessions.Create(t.Context(), session.Session{Key: key, Data: data, Expires: now.Add(time.Hour)}); err != nil {
				t.Fatal(err)
			}
			s := &worker.Stream{}
			want[s] = text
			o := w.Request(s, filter.Headers{{":method", "GET"}, {":path", "/"}, {"cookie", "sessionid=" + key}}, config.Named(""), now)
			calls = append(calls, o.Calls...)
		}
		batches := carry(t, w, handler, calls, now, func(step worker.Step) {
			if step.Action.Verdict != filter.Continue {
				t.Fatalf("%q is refused: %+v", want[step.Stream], step.Action.Reply)
			}
			var got map[string]string
			for _, e := range step.Action.Edits {
				if e.Name == "x-session" {
					if err := json.Unmarshal([]byte(e.Value), &got); err != nil {
						t.Fatalf("%q: %v", e.Value, err)
					}
				}
			}
			if text, ok := want[step.Stream]; !ok || got["text"] != text {
				t.Fatalf("admitted with %q, want %q", got["text"], text)
			}
			delete(want, step.Stream)
		})
		if len(want) != 0 || batches != 1 {
			t.Fatalf("%d requests still wait after %d batches, want one", len(want), batches)
		}
	})
}
