package attacks

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"cloakroom/internal/testenv"
	"cloakroom/session"
)

// guideBlock is the configuration in docs/identity.md that uses filter state.
var guideBlock = regexp.MustCompile("(?s)<!-- filter state: run by the tests -->\n```yaml\n(.*?)```")

// guided is what the block configures.
type guided struct {
	AccessLog   []any `yaml:"access_log"`
	HTTPFilters []any `yaml:"http_filters"`
}

func readGuide(t *testing.T) (g guided) {
	t.Helper()
	root, err := testenv.Root()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, "docs", "identity.md"))
	if err != nil {
		t.Fatal(err)
	}
	match := guideBlock.FindSubmatch(text)
	if match == nil {
		t.Fatal("docs/identity.md has no configuration that uses filter state")
	}
	if err := yaml.Unmarshal(match[1], &g); err != nil {
		t.Fatal(err)
	}
	return g
}

// stateSite is a site with filter state, and filters behind it. Its user 1 is an editor, and in a
// group whose name has a comma; user 2 is in a group that is called nearly so.
func stateSite(t *testing.T, version string, logs, after []any) (s *site, p *project) {
	t.Helper()
	p = djangoWith(t, "db")
	db := p.open(t)
	defer db.Close()
	for _, query := range []string{
		"INSERT OR IGNORE INTO auth_group (id, name) VALUES (1, 'editors'), (2, 'a,b'), (3, 'editors,'), (4, 'noeditors')",
		"INSERT OR IGNORE INTO auth_user_groups (user_id, group_id) VALUES (1, 1), (1, 2), (2, 3), (2, 4)",
	} {
		if _, err := db.ExecContext(t.Context(), query); err != nil {
			t.Fatal(err)
		}
	}
	c := cookieRoutes(map[string]any{"service": map[string]any{"cluster": "sessions", "token": token}},
		map[string]any{"identity": map[string]any{"filter_state": []string{"user", "session", "groups"}}})
	c.AccessLogs, c.After, c.FlushLog = logs, after, true
	c.AccessLog = "typed %FILTER_STATE(wasm.cloakroom.user)%\n"
	return newSite(t, version, options{Project: p, FilterConfig: c, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "the page")
	})}), p
}

// stateLine is a line of the guide's access log; what a request does not have is null there.
type stateLine struct{ Path, Details, User, Session, Groups string }

// logged waits for the line of a path, which only one request has.
func (s *site) logged(path string) (found stateLine) {
	s.t.Helper()
	eventually(s.t, "the access log has "+path, func() bool {
		for line := range strings.Lines(s.envoy.Log()) {
			var one stateLine
			if json.Unmarshal([]byte(line), &one) == nil && one.Path == path {
				found = one
			}
		}
		return found.Path != ""
	})
	return found
}

// TestFilterState runs docs/identity.md's access log, RBAC and rate limit: they go by what the filter sets
// for each user, and not by what a client sends. The ID in the log ends the session.
func TestFilterState(t *testing.T) {
	guide := readGuide(t)
	envoys(t, func(t *testing.T, version string) {
		s, p := stateSite(t, version, guide.AccessLog, guide.HTTPFilters)
		one, _ := p.at(t, "login?user=1", "")
		two, _ := p.at(t, "login?user=2", "")
		groups := map[string]string{one: "a%2Cb,editors", two: "editors%2C,noeditors"}
		for _, tt := range []struct {
			path, cookie string
			headers      []string
			status       int
			want         stateLine
		}{
			{"/edit/1", one, nil, 200, stateLine{"", "via_upstream", "1", session.ID(one), groups[one]}},
			{"/edit/2", two, nil, 403, stateLine{"", "rbac_access_denied_matched_policy[none]", "2", session.ID(two), groups[two]}},
			{"/edit/3", "", nil, 403, stateLine{Details: "rbac_access_denied_matched_policy[none]"}},
			{"/edit/4", "", []string{"wasm.cloakroom.groups: editors", "cloakroom.groups: editors", "x-user-groups: editors", "wasm-cloakroom-user: 1"}, 403,
				stateLine{Details: "rbac_access_denied_matched_policy[none]"}},
			{"/read/2", two, []string{"wasm.cloakroom.user: 1"}, 200, stateLine{"", "via_upstream", "2", session.ID(two), groups[two]}},
			{"/read/3", "", nil, 200, stateLine{Details: "via_upstream"}},
			{"/django/private/x", "", nil, 401, stateLine{Details: "cloakroom_missing"}},
		} {
			status, body := s.get(tt.path, append(tt.headers, "Cookie: sessionid="+tt.cookie)...)
			tt.want.Path = tt.path
			if got := s.logged(tt.path); status != tt.status || got != tt.want {
				t.Errorf("%s: %d %s, logged as %+v; want %d, %+v", tt.path, status, body, got, tt.status, tt.want)
			}
		}
		s.limits(one, two)
		s.revokes(p, one, s.logged("/edit/1").Session)
	})
}

// limits holds that the guide's ten requests a minute are each user's own, and no anonymous one's.
func (s *site) limits(one, two string) {
	s.t.Helper()
	refused := false
	for i := 0; i < 100 && !refused; i++ {
		status, body := s.get(fmt.Sprintf("/limit/%d", i), "Cookie: sessionid="+one)
		if refused = status == 429; !refused && status != 200 {
			s.t.Errorf("request %d: %d %s", i, status, body)
		}
		if status, body := s.get(fmt.Sprintf("/anonymous/%d", i)); status != 200 {
			s.t.Errorf("an anonymous request: %d %s", status, body)
		}
	}
	if status, body := s.get("/limit/other", "Cookie: sessionid="+two); status != 200 || !refused {
		s.t.Errorf("a request of one user is refused: %v, want true; another's is %d %s", refused, status, body)
	}
}

// revokes holds that the ID of a session ends it by the command line, and is no key of it.
func (s *site) revokes(p *project, key, id string) {
	s.t.Helper()
	if status, _ := s.get("/django/private/x", "Cookie: sessionid="+id); status != 401 {
		s.t.Errorf("the ID as a cookie: %d", status)
	}
	p.revokeByID(s.t, "sqlite://"+p.file, id)
	if status, _ := s.get("/django/private/x", "Cookie: sessionid="+key); status != 401 {
		s.t.Errorf("the session whose ID was revoked: %d", status)
	}
}

// TestFilterStateOnOneConnection sends requests of several users, and of none, on one connection: each
// has its own filter state or none.
func TestFilterStateOnOneConnection(t *testing.T) {
	guide := readGuide(t)
	envoys(t, func(t *testing.T, version string) {
		s, p := stateSite(t, version, guide.AccessLog, nil)
		one, _ := p.at(t, "login?user=1", "")
		two, _ := p.at(t, "login?user=2", "")
		conn, err := net.Dial("tcp", s.address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		in := bufio.NewReader(conn)
		for i, want := range []stateLine{{User: "1"}, {}, {User: "2"}, {}, {User: "1"}} {
			cookie := map[string]string{"1": one, "2": two}[want.User]
			if _, err := fmt.Fprintf(conn, "GET /%d HTTP/1.1\r\nHost: site.test\r\nCookie: sessionid=%s\r\n\r\n", i, cookie); err != nil {
				t.Fatal(err)
			}
			response, err := http.ReadResponse(in, nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, response.Body); err != nil {
				t.Fatal(err)
			}
			if want.User != "" {
				want.Session = session.ID(cookie)
			}
			got := s.logged(fmt.Sprintf("/%d", i))
			if got.User != want.User || got.Session != want.Session || (got.Groups == "") != (want.User == "") {
				t.Errorf("request %d has the filter state %+v, want %+v", i, got, want)
			}
		}
		eventually(t, "without PLAIN the log has base64", func() bool {
			return strings.Contains(s.envoy.Log(), `"`+base64.StdEncoding.EncodeToString([]byte("1"))+`"`)
		})
	})
}

// TestFilterStateInCEL holds what docs/identity.md says of CEL: bytes match, and strings do not. The
// matching API's input has the text.
func TestFilterStateInCEL(t *testing.T) {
	condition := func(constant map[string]any) any {
		index := map[string]any{"call_expr": map[string]any{"function": "_[_]", "args": []any{
			map[string]any{"ident_expr": map[string]any{"name": "filter_state"}}, map[string]any{"const_expr": map[string]any{"string_value": "wasm.cloakroom.user"}},
		}}}
		return map[string]any{"rules": map[string]any{"action": "ALLOW", "policies": map[string]any{"user": map[string]any{
			"permissions": []any{map[string]any{"any": true}}, "principals": []any{map[string]any{"any": true}},
			"condition": map[string]any{"call_expr": map[string]any{"function": "_==_", "args": []any{index, map[string]any{"const_expr": constant}}}},
		}}}}
	}
	action := func(name string) map[string]any {
		return map[string]any{"action": map[string]any{"name": name, "typed_config": map[string]any{"@type": "type.googleapis.com/envoy.config.rbac.v3.Action", "name": name, "action": name}}}
	}
	matcher := map[string]any{"matcher": map[string]any{"on_no_match": action("DENY"), "matcher_tree": map[string]any{
		"input": map[string]any{"name": "state", "typed_config": map[string]any{
			"@type": "type.googleapis.com/envoy.extensions.matching.common_inputs.network.v3.FilterStateInput", "key": "wasm.cloakroom.user",
		}},
		"exact_match_map": map[string]any{"map": map[string]any{"1": action("ALLOW")}},
	}}}
	envoys(t, func(t *testing.T, version string) {
		for name, tt := range map[string]struct {
			rules  any
			status int // of user 1; that of others is 403
		}{
			"bytes":   {condition(map[string]any{"bytes_value": base64.StdEncoding.EncodeToString([]byte("1"))}), 200},
			"string":  {condition(map[string]any{"string_value": "1"}), 403},
			"matcher": {matcher, 200},
		} {
			rbac := map[string]any{"@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC"}
			for field, value := range tt.rules.(map[string]any) {
				rbac[field] = value
			}
			s, p := stateSite(t, version, nil, []any{map[string]any{"name": "rbac", "typed_config": rbac}})
			for user, want := range map[string]int{"1": tt.status, "2": 403, "": 403} {
				cookie := ""
				if user != "" {
					cookie, _ = p.at(t, "login?user="+user, "")
				}
				if status, body := s.get("/", "Cookie: sessionid="+cookie, "cloakroom.user: 1"); status != want {
					t.Errorf("%s, user %q: %d %s, want %d", name, user, status, body, want)
				}
			}
		}
	})
}

// TestDetailsOfStreams ends the session of a WebSocket and of an event stream: the access log says
// that the filter has closed them, and whose they were.
func TestDetailsOfStreams(t *testing.T) {
	guide := readGuide(t)
	envoys(t, func(t *testing.T, version string) {
		c := filterConfig(serviceConfig(map[string]any{"end_streams": true, "identity": map[string]any{"filter_state": []string{"user"}}}))
		c.AccessLogs, c.FlushLog = guide.AccessLog, true
		s := newSite(t, version, options{FilterConfig: c, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/socket" {
				socket(w, r)
				return
			}
			w.Header().Set("Content-Type", "text/event-stream")
			fmt.Fprint(w, "data: 1\n\n")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		})})
		key := s.create(`{"_auth_user_id":"7"}`)
		stream := openSocket(t, s.address, key)
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.base+"/events", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Cookie", "sessionid="+key)
		events, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer events.Body.Close()
		if status, body := s.flush(`{"key":"` + key + `"}`); status != 200 {
			t.Fatalf("%d %s", status, body)
		}
		stream.ends(t)
		if _, err := io.Copy(io.Discard, events.Body); err == nil {
			t.Error("the event stream ends as if it were complete")
		}
		for _, path := range []string{"/socket", "/events"} {
			if got := s.logged(path); got.Details != "cloakroom_ended" || got.User != "7" {
				t.Errorf("%s is logged as %+v, want the details cloakroom_ended of user 7", path, got)
			}
		}
	})
}
