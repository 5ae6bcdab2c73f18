package attacks

import (
	"context"
	"database/sql"
	"encoding/base64"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cloakroom/internal/testenv"
	"cloakroom/session"
	"cloakroom/session/django"
	"cloakroom/store"
)

// project is a Django site of one session engine, with the session service beside it. The users 1
// and 2 are in it.
type project struct {
	url           string // Django's
	service       int    // the port of the session service
	serviceStarts *testenv.Process
	file          string        // the SQLite database
	store         session.Store // the site's sessions, and notes
	stops         []func() error
}

var (
	projectsMu sync.Mutex
	projects   = map[string]*project{}
	scratch    string
)

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		log.Print(err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	if scratch, err = os.MkdirTemp("", "cloakroom-attacks-"); err != nil {
		return 1, err
	}
	defer os.RemoveAll(scratch)
	code = m.Run()
	for _, p := range projects {
		p.stop()
	}
	return code, nil
}

func (p *project) stop() {
	for i := len(p.stops) - 1; i >= 0; i-- {
		_ = p.stops[i]()
	}
}

// djangoWith returns the project of an engine, which all tests share: db or signed_cookies.
func djangoWith(t testing.TB, engine string) *project {
	t.Helper()
	projectsMu.Lock()
	defer projectsMu.Unlock()
	p := projects[engine]
	if p == nil {
		var err error
		if p, err = startProject(engine, engine); err != nil {
			t.Fatal(err)
		}
		projects[engine] = p
	}
	return p
}

// startProject starts a project of an engine, with a database of its own under the given name.
func startProject(engine, name string) (p *project, err error) {
	ctx := context.Background()
	p = &project{file: filepath.Join(scratch, name+".sqlite3")}
	defer func() {
		if err != nil {
			p.stop()
		}
	}()
	ports, err := testenv.FreePorts(2)
	if err != nil {
		return nil, err
	}
	settings := map[string]any{
		"SECRET_KEY": secretKey, "SESSION_ENGINE": "django.contrib.sessions.backends." + engine,
		"DATABASES": map[string]any{"default": map[string]any{"ENGINE": "django.db.backends.sqlite3", "NAME": p.file}},
		// A site that signs the cookie anew for each request is the one that renews a copy.
		"SESSION_SAVE_EVERY_REQUEST": engine == "signed_cookies",
	}
	app, err := testenv.StartDjangoSite(ctx, testenv.Engine{Name: engine, Settings: settings}, ports[0], 1)
	if err != nil {
		return nil, err
	}
	p.stops = append(p.stops, app.Stop)
	p.url, p.service = "http://127.0.0.1:"+strconv.Itoa(ports[0]), ports[1]
	p.serviceStarts, err = testenv.StartService(ctx, testenv.ServiceConfig{
		Port: p.service, Store: "sqlite://" + p.file, SecretKey: secretKey, Token: token, Binary: os.Getenv("CLOAKROOM_SERVICE"),
	})
	if err != nil {
		return nil, err
	}
	p.stops = append(p.stops, p.serviceStarts.Stop)
	codec, err := django.NewCodec(secretKey)
	if err != nil {
		return nil, err
	}
	if p.store, err = store.Open(ctx, "sqlite://"+p.file, store.Options{Codec: codec}); err != nil {
		return nil, err
	}
	p.stops = append(p.stops, p.store.Close)
	return p, nil
}

// at asks Django itself, past the filter, and returns the session cookie that it sets.
func (p *project) at(t testing.TB, path, cookie string) (set, body string) {
	t.Helper()
	status, header, body := request(t, p.url, "/django/"+path, "Cookie: sessionid="+cookie)
	if status != http.StatusOK {
		t.Fatalf("Django answers %s with %d %s", path, status, body)
	}
	return cookieIn(header), body
}

// call calls the session service.
func (p *project) call(t testing.TB, path, body string) (status int, answer string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, fmt.Sprintf("http://127.0.0.1:%d%s", p.service, path), strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	return response.StatusCode, readAll(t, response)
}

// plant stores a row as Django would, whatever its data is.
func (p *project) plant(t testing.TB, rows map[string]string) {
	t.Helper()
	signer, err := django.NewSigner(django.SessionSalt, secretKey)
	if err != nil {
		t.Fatal(err)
	}
	db := p.open(t)
	defer db.Close()
	for key, data := range rows {
		text, err := signer.Sign(base64.RawURLEncoding.EncodeToString([]byte(data)), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.ExecContext(t.Context(), "INSERT INTO django_session (session_key, session_data, expire_date) VALUES (?, ?, '2099-01-01 00:00:00')", key, text); err != nil {
			t.Fatal(err)
		}
	}
}

// keys returns the keys of all rows.
func (p *project) keys(t testing.TB) (keys []string) {
	t.Helper()
	db := p.open(t)
	defer db.Close()
	rows, err := db.QueryContext(t.Context(), "SELECT session_key FROM django_session")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var key string
		if err := rows.Scan(&key); err != nil {
			t.Fatal(err)
		}
		keys = append(keys, key)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return keys
}

// open opens the database, as another program would.
func (p *project) open(t testing.TB) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+p.file+"?_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// front is an upstream: Django under /django/, with what the filter says of the user in the
// answer's headers, and a service that uses the filter's headers.
func (p *project) front(t testing.TB) http.Handler {
	t.Helper()
	mux := http.NewServeMux()
	if p != nil {
		target, err := url.Parse(p.url)
		if err != nil {
			t.Fatal(err)
		}
		mux.Handle("/django/", httputil.NewSingleHostReverseProxy(target))
	}
	mux.HandleFunc("/instruct", func(w http.ResponseWriter, r *http.Request) {
		for name, values := range r.URL.Query() {
			w.Header()[http.CanonicalHeaderKey(name)] = values
		}
	})
	mux.HandleFunc("/socket", socket)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Header.Get("X-User-Id")) })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Seen-User", strings.Join(r.Header.Values("X-User-Id"), "|"))
		w.Header().Set("Seen-Session", strings.Join(r.Header.Values("X-Session"), "|"))
		w.Header().Set("Seen-Cookie", base64.StdEncoding.EncodeToString([]byte(strings.Join(r.Header.Values("Cookie"), "|"))))
		w.Header().Set("Seen-Path", r.URL.RequestURI())
		mux.ServeHTTP(w, r)
	})
}

// socket answers an upgrade, and then echoes.
func socket(w http.ResponseWriter, r *http.Request) {
	conn, in, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	fmt.Fprint(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	_, _ = in.WriteTo(conn)
}

// seenCookie returns the Cookie header that the upstream got.
func seenCookie(h http.Header) string {
	text, _ := base64.StdEncoding.DecodeString(h.Get("Seen-Cookie"))
	return string(text)
}

func readAll(t testing.TB, r *http.Response) string {
	t.Helper()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var usersTaken atomic.Int32

// freshUser returns the id of a user that no other test has revoked: a login that the filter did
// not see counts as a minute older than its cookie says.
func freshUser() string { return strconv.Itoa(int(usersTaken.Add(1)) + 2) }

// escape escapes a query's value.
func escape(value string) string { return url.QueryEscape(value) }
