package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"cloakroom/internal/testenv"
)

// mutation is a way to break the code: in a file a text is replaced by another. Each stands for
// a mistake that somebody could make.
type mutation struct {
	name       string
	invariants string // those, any of which may break
	file       string
	old, new   string
}

// mutations are what the simulation is proven by. Those whose name begins with ! are few, are
// found soon, and run with every test run.
//
// What is not found: that a logout reads a session and then deletes it
// (service.TestFlushWhileTheKeyChanges finds it); that a key is noted too late for the end of the
// one before (service.TestDjangoEndsTheKeyThatChanges); bounds of memory and of
// batches, which no history reaches; and all that only signed cookies and expiries need.
var mutations = []mutation{
	// 1: what was revoked is admitted nowhere after the bound
	{"the cache is used however long the feed is silent", "1 3", "filter/worker/feed.go", "return within(MaxFeedSilence, f.heard, now)", "return !f.heard.IsZero()"},
	{"the feed counts as heard for longer", "1 3", "filter/worker/feed.go", "f.cursor, f.heard = cursor, f.sent", "f.cursor, f.heard = cursor, f.sent.Add(2*time.Second)"},
	{"a gap in the feed invalidates nothing", "1 3", "filter/worker/feed.go", `if value(members, "gap") != "false" || f.cursor == "" {`, "if false {"},
	{"!events invalidate no sessions", "1 3", "filter/worker/lookups.go", "	l.sessions.RemoveHash(hash)\n	l.absent", "	l.absent"},
	{"a user's event invalidates nothing", "1", "filter/worker/lookups.go", "return c.result.User() == id })", "return false })"},
	{"those who do not lead apply no events", "1 3", "filter/worker/feed.go", "			f.apply(event)\n		}\n	}\n	f.seq, f.cursor", "			_ = event\n		}\n	}\n	f.seq, f.cursor"},
	{"a look-up that an event overtakes is cached", "1 3", "filter/worker/lookups.go", "if !f.outdated {", "if true {"},
	{"the ttl does not end", "1", "filter/worker/lookups.go", "	if !within(ttl, e.Value.at, now) {\n		return nil\n	}\n	return e", "	return e"},
	{"a clock that is set back is not seen", "1 3", "filter/worker/worker.go", "if now.Before(w.now) {", "if false {"},
	{"a step back of the clock leaves the shared page", "1 3", "filter/worker/feed.go", "if f.doubted || page.heard.After(now) {", "if false {"},
	{"streams are not looked up again after an event", "1", "filter/worker/watch.go", "		w.due[hash] = true\n	}\n}\n\nfunc (w *watches) userChanged", "	}\n}\n\nfunc (w *watches) userChanged"},
	{"a logout counts that the store did not confirm", "1", "filter/logout.go", "if r.status != noSession {", "if false {"},
	{"a flush is not published", "1", "service/cycle.go", "return errors.Join(err, s.publish(ctx, events...))", "return err"},
	{"a logout ends one key", "1", "service/cycle.go", "for _, relative := range relatives {", "for _, relative := range relatives[:0] {"},
	{"a login leaves the old keys", "1", "service/api.go", "err = s.endRelatives(ctx, key)", "_ = s.endRelatives"},
	{"accounts are not checked", "1", "service/accounts.go", "case !a.admits(user, marks.Backend):", "case false:"},
	{"passwords are not checked", "1", "service/accounts.go", "case marks.Hash == nil || !a.Hasher.Verify(user.Password, *marks.Hash):", "case false:"},
	{"all of a user leaves one", "1", "session/user.go", "	for _, key := range keys {\n		if err := end", "	for _, key := range keys[:max(0, len(keys)-1)] {\n		if err := end"},
	{"a token is not renewed", "5", "filter/token.go", "return m == nil || m.until.Sub(now) < m.life/3 ||", "return m == nil ||"},
	{"a token's life counts from its answer's end", "1", "filter/token.go", "m.wanted, m.until = wanted, sent.Add(m.life)", "m.wanted, m.until = wanted, sent.Add(2*m.life); m.life *= 2"},

	// 2: nobody is admitted as somebody else
	{"!a token is handed on by any route", "2", "filter/token.go", "return m.wanted == wanted })", "return true })"},
	{"!answers of a batch go to others", "2", "filter/worker/batch.go", "p.done(w, answers[i])", "p.done(w, answers[len(answers)-1-i])"},
	{"an answer reaches the request that has the memory now", "2", "filter/worker/batch.go", "		if p.stream.serial == p.serial {\n			w.answered(p.stream, a)\n		}", "		w.answered(p.stream, a)"},
	{"a look-up's body is the stream's memory", "2", "filter/worker/waiting.go", "callout.Body = clone(c.Body)", "callout.Body = c.Body"},
	{"an answer is kept in the host's memory", "2 5", "filter/worker/lookups.go", "a.Body = clone(a.Body)", "a.Body = a.Body + \"\""},
	{"the cache's key is the request's memory", "2 4", "filter/worker/lookups.go", "f := &flight{lookups: l, key: clone(key), token", "f := &flight{lookups: l, key: key, token"},
	{"all wait for one look-up", "2", "filter/worker/waiting.go", "if f := s.lookups.flights[flightKey{key, s.filter.TokenKey()}]; f != nil", "var f *flight\n		for _, f = range s.lookups.flights {\n		}\n		if f != nil"},
	{"clients' identity headers pass", "2", "filter/stream.go", "s.edits = stripEdits(route, h)", "_ = stripEdits(route, h)"},
	{"a login keeps another user's data", "2", "service/login.go", "before.User != \"\" && before.User != marks.User", "before.User == marks.User && before.Backend == \"-\""},
	{"a stream that has ended waits on", "2 4", "filter/worker/worker.go", "if s.paused || s.list != nil {", "if false {"},

	// 3: no acknowledged write is lost, and nothing that was deleted comes back
	{"!a change passes that was not stored", "1 3", "filter/update.go", "	case r.status == noAnswer:\n		return s.refuseWrite(r)\n	case r.status == noSession:\n		// SessionMiddleware", "	case r.status == noAnswer:\n		return Action{Verdict: Continue, Edits: s.edits}\n	case r.status == noSession:\n		// SessionMiddleware"},
	{"a patch replaces the data", "2 3", "service/patch.go", "rawjson.MergePatch(string(target), string(patch))", "string(patch)"},
	{"a new key gets data that was changed meanwhile", "3", "service/cycle.go", "if !current.SameData(v) || !current.Expires.Equal(v.Expires) {", "if false {"},
	{"a write to an old key stays there", "3", "service/api.go", "if next := v.Cycle().Next; next != nil {\n			return v, cycledError{next.Key}", "if next := v.Cycle().Next; false {\n			return v, cycledError{next.Key}"},
	{"what is cached outlives a change", "3", "filter/stream.go", "action.effects().Invalidate = s.written // what is cached of it may be older", "_ = action"},
	{"a change by a service is not published", "3", "service/api.go", "	a, err := s.ended(ctx, live(v), v, err)\n	return s.published(ctx, key, a, err)", "	return s.ended(ctx, live(v), v, err)"},

	// 4: no request hangs, and nothing is held for streams that are gone
	{"!a refused callout is not answered", "4", "filter/worker/worker.go", "	c.done(w, filter.Answer{Status: why}, false)\n", ""},
	{"what waits for a slow callout is not sent", "4", "filter/worker/batch.go", "	b.next(w)\n	w.out.Soon = w.out.Soon ||", "	w.out.Soon = w.out.Soon ||"},
	{"a look-up that was answered stays under way", "4", "filter/worker/lookups.go", "		delete(l.flights, key)\n", ""},
	{"streams that have ended count as waiting", "4", "filter/worker/waiting.go", "		w.waiting--\n", ""},
	{"sessions without open streams are watched", "2 4", "filter/worker/watch.go", "		delete(w.byHash, at.hash)\n", ""},
	{"what a callback has no room for is left", "4", "filter/worker/waiting.go", "for w.budget > 0 && w.backlog.len() > 0 {", "for false {"},
	{"callouts under way are not counted off", "4", "filter/worker/batch.go", "	b.underWay--\n", ""},

	// 5: an outage logs nobody out
	{"!no answer is no session", "5", "filter/stream.go", "	case r.status == noAnswer:\n		return s.deny(denyUnavailable)\n", "	case r.status == noAnswer:\n		return s.missing()\n"},
	{"a store that fails has no session", "1 5", "service/http.go", "case errors.Is(err, session.ErrNotFound):\n		return none, nil", "case errors.Is(err, session.ErrNotFound), errors.Is(err, session.ErrUnavailable):\n		return none, nil"},
	{"a second key that cannot be read is none", "5", "service/cycle.go", "if errors.Is(err, session.ErrNotFound) {\n			_, err = s.published", "if err != nil {\n			_, err = s.published"},
	{"a failed link takes its second key along", "5", "service/cycle.go", "case linking && errors.Is(err, session.ErrUnavailable):", "case false:"},
	{"a copied link counts", "5", "session/cycle.go", "c.Next.Of != \"\" && c.Next.Of != ID(s.Key)", "false"},
	{"an outage closes streams", "5", "filter/worker/watch.go", "case !r.Answered():", "case false:"},
	{"accounts that cannot be read admit nobody", "5", "service/accounts.go", "	case err != nil:\n		return nil, false, refusal{}, fmt.Errorf(\"accounts: %w\", err)", "	case err != nil:\n		return nil, false, refusal{}, nil"},
	{"a failed logout deletes the cookie", "1 5", "filter/logout.go", "	if r.status != noSession {\n		return s.refuseWrite(r)", "	if r.status != noSession {\n		return s.loggedOut()"},
}

// TestMutationTexts checks that each text that a mutation replaces stands once in its file: a
// change of the code must not make a mutation one of nothing.
func TestMutationTexts(t *testing.T) {
	root, err := testenv.Root()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range mutations {
		text, err := os.ReadFile(filepath.Join(root, m.file))
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(text), m.old); n != 1 {
			t.Errorf("%q: %s has the text that is to be replaced %d times, want once: %s", m.name, m.file, n, m.old)
		}
	}
}

// TestMutations breaks the code in each way and has the simulation find it.
func TestMutations(t *testing.T) {
	all := os.Getenv("CLOAKROOM_MUTATIONS") != ""
	only := regexp.MustCompile(os.Getenv("CLOAKROOM_MUTATIONS"))
	root, err := testenv.Root()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range mutations {
		if !all && m.name[0] != '!' || !only.MatchString(m.name) {
			continue
		}
		t.Run(strings.TrimPrefix(m.name, "!"), func(t *testing.T) {
			duration := "10s"
			if all {
				duration = "40s"
			}
			found, out := m.find(t, root, duration)
			if found == "" {
				t.Errorf("not found: %s", out)
			} else if !slices.Contains(strings.Fields(m.invariants), found) {
				t.Errorf("found as a break of invariant %s, want %s:\n%s", found, m.invariants, out)
			}
		})
	}
}

// find builds the simulation with the mutation in it and plays, and returns the invariant that
// breaks.
func (m mutation) find(t *testing.T, root, duration string) (invariant, out string) {
	t.Helper()
	dir := t.TempDir()
	text, err := os.ReadFile(filepath.Join(root, m.file))
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), m.old); n != 1 {
		t.Fatalf("%s has the text that is to be replaced %d times, want once: %s", m.file, n, m.old)
	}
	mutant := filepath.Join(dir, "mutant.go")
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(root, m.file): mutant}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(mutant, []byte(strings.Replace(string(text), m.old, m.new, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	file, binary := filepath.Join(dir, "overlay.json"), filepath.Join(dir, "simulation")
	if err := os.WriteFile(file, overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-gcflags=-e", "-overlay", file, "-o", binary, "./tests/simulation")
	build.Dir = root
	if text, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	begin := time.Now()
	played, err := exec.CommandContext(t.Context(), binary, "--from", "1", "--duration", duration, "--whole").CombinedOutput()
	t.Logf("%s after %s", firstLine(string(played)), time.Since(begin).Round(time.Millisecond))
	if match := broken.FindStringSubmatch(string(played)); match != nil && err != nil {
		return match[1], string(played)
	}
	return "", fmt.Sprintf("%v %s", err, played)
}

var broken = regexp.MustCompile(`(?m)^invariant (\d)`)

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}
