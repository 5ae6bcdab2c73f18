package differential

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

// app is the upstream and the callouts' server. Its paths misbehave by name; any other path
// returns the request.
func app(ended <-chan struct{}) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/reset", func(w http.ResponseWriter, _ *http.Request) { cut(w, "") })
	mux.HandleFunc("/half", func(w http.ResponseWriter, _ *http.Request) {
		cut(w, "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")
	})
	mux.HandleFunc("/hang", func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-ended:
		case <-r.Context().Done():
		}
	})
	mux.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
		// Long enough for the stream that sent the callout to end.
		select {
		case <-time.After(300 * time.Millisecond):
			echo(w, r)
		case <-ended:
		}
	})
	mux.HandleFunc("/big", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(40<<20))
		chunk := make([]byte, 1<<20)
		for range 40 {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	})
	mux.HandleFunc("/chunked", func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["X-A"] = []string{"1", "2"}
		_, _ = io.WriteString(w, "abcdef")
		w.(http.Flusher).Flush()
	})
	mux.HandleFunc("/empty", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.HandleFunc("/zero", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "0") })
	grpcMethods(mux, ended)
	mux.HandleFunc("/", echo)
	return mux
}

func cut(w http.ResponseWriter, part string) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	_, _ = io.WriteString(conn, part)
	_ = conn.Close()
}

func echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	var headers [][2]string
	for name, values := range r.Header {
		if name = strings.ToLower(name); name != "x-request-id" {
			headers = append(headers, [2]string{name, strings.Join(values, " | ")})
		}
	}
	slices.SortFunc(headers, func(a, b [2]string) int { return strings.Compare(a[0], b[0]) })
	list, err := json.Marshal(headers)
	if err != nil {
		return
	}
	out := fmt.Sprintf("%s %s host=%s %s %.200s len=%d", r.Method, r.URL.RequestURI(), r.Host, list, body, len(body))
	w.Header().Set("X-App", "1")
	w.Header().Set("Content-Length", fmt.Sprint(len(out)))
	_, _ = io.WriteString(w, out)
}
