package steps

import (
	"encoding/json"
	"net/http"
	"strings"
)

// plain is a Go service without any Django: it reads and writes sessions by headers only. Its
// paths are those of stepsite.py.
func plain() http.Handler {
	mux := http.NewServeMux()
	for name, answer := range map[string]func(w http.ResponseWriter, r *http.Request){
		"home":  func(http.ResponseWriter, *http.Request) {},
		"store": instruct("X-Session-Set", `{"username":"example_user"}`),
		"clear": instruct("X-Session-Set", `{"username":null}`),
		"read":  read,
		"expiry": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Session-Expiry", strings.Replace(r.FormValue("value"), "+00:00", "Z", 1))
		},
		"login":  instruct("X-Session-Login", "1"),
		"logout": instruct("X-Session-Flush", "1"),
	} {
		mux.HandleFunc("/go/"+name, answer)
		mux.HandleFunc("/go/private/"+name, answer)
	}
	return mux
}

func instruct(name, value string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.Header().Set(name, value) }
}

// users are the names of the demonstration's ids.
var users = map[string]string{"1": "demo"}

func read(w http.ResponseWriter, r *http.Request) {
	seen := view{User: users[r.Header.Get("X-User-Id")], Username: "default_value"}
	if data := r.Header.Get("X-Session"); data != "" {
		if err := json.Unmarshal([]byte(data), &seen); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
	}
	json.NewEncoder(w).Encode(seen)
}

// view is an upstream's view of a session.
type view struct {
	User     string `json:"user"`
	Username string `json:"username"`
}
