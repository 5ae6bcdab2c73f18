// Command whoami is a service without any Django: it reads all it needs about its visitor from
// request headers. The proxy admits to /go/staff and /go/editors whom it may.
package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"flag"
	"html/template"
	"log"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Parse(pageText))

func main() {
	listen := flag.String("listen", "127.0.0.1:8002", "address to listen on")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	mux := http.NewServeMux()
	for path, title := range map[string]string{"/go/whoami": "", "/go/staff": "For the staff only", "/go/editors": "For the group editors only"} {
		mux.Handle("GET "+path, whoami(title))
	}
	server := &http.Server{Addr: *listen, Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	stopped := make(chan error, 1)
	go func() {
		<-ctx.Done()
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		stopped <- server.Shutdown(ctx)
	}()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		log.Fatal(err)
	}
	if err := <-stopped; err != nil {
		log.Fatal(err)
	}
}

// identity is the visitor's identity in the headers. User is empty for a request that no proxy has
// checked.
type identity struct {
	Title       string          `json:"-"`
	User        string          `json:"user"`
	Name        string          `json:"name"`
	Email       string          `json:"email"`
	Groups      []string        `json:"groups"`
	Permissions []string        `json:"permissions"`
	Session     json.RawMessage `json:"session"`
}

func whoami(title string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a := identityOf(r.Header)
		a.Title = title
		w.Header().Set("Content-Type", "application/json")
		write := json.NewEncoder(w).Encode
		if strings.Contains(r.Header.Get("Accept"), "text/html") {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			write = func(a any) error { return page.Execute(w, a) }
		}
		if err := write(a); err != nil {
			log.Print(err)
		}
	})
}

func identityOf(h http.Header) identity {
	a := identity{
		User: h.Get("X-User-Id"), Name: text(h.Get("X-User-Name")), Email: text(h.Get("X-User-Email")),
		Groups: list(h.Get("X-User-Groups")), Permissions: list(h.Get("X-User-Permissions")),
		Session: json.RawMessage(h.Get("X-Session")),
	}
	if !json.Valid(a.Session) {
		a.Session = json.RawMessage("null")
	}
	return a
}

// text decodes the text of an attribute: percent-encoded UTF-8.
func text(header string) string {
	decoded, err := url.PathUnescape(header)
	if err != nil {
		return ""
	}
	return decoded
}

// list decodes a list of texts, with commas between.
func list(header string) []string {
	items := []string{}
	for item := range strings.SplitSeq(header, ",") {
		if item != "" {
			items = append(items, text(item))
		}
	}
	return items
}
