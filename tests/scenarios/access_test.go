package scenarios

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"cloakroom/filter"
	"cloakroom/filter/config"
	"cloakroom/hostsim"
	"cloakroom/session"
)

// markHeader marks the requests of which the access log is looked at.
const markHeader = "x-mark"

// access is an entry of a proxy's access log.
type access struct {
	Listener, Mark, Details string
	// State is the filter state, by the names behind wasm.cloakroom.
	State map[string]string
}

// accessFormat is the access log of the corpus' Envoys, but for the listener.
var accessFormat = map[string]any{
	"Mark": "%REQ(X-MARK)%", "Details": "%RESPONSE_CODE_DETAILS%", "State": map[string]string{
		"user":    "%FILTER_STATE(wasm.cloakroom.user:PLAIN)%",
		"session": "%FILTER_STATE(wasm.cloakroom.session:PLAIN)%",
		"groups":  "%FILTER_STATE(wasm.cloakroom.groups:PLAIN)%",
		"email":   "%FILTER_STATE(wasm.cloakroom.email:PLAIN)%",
	},
}

// accessLog returns the entries of a listener in an Envoy's log.
func accessLog(log, listener string) (entries []access) {
	for line := range strings.Lines(log) {
		var e struct {
			access
			State map[string]*string
		}
		if !strings.Contains(line, strconv.Quote(listener)) || json.Unmarshal([]byte(line), &e) != nil || e.Listener != listener {
			continue
		}
		e.access.State = map[string]string{}
		for name, value := range e.State {
			if value != nil {
				e.access.State[name] = *value
			}
		}
		entries = append(entries, e.access)
	}
	return entries
}

// logged adds an entry to the access log of a proxy in this process.
func (b *backend) logged(mark, details string, state map[string]string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := access{Mark: mark, Details: details, State: map[string]string{}}
	for name, value := range state {
		e.State[strings.TrimPrefix(name, "wasm."+config.StatePrefix)] = value
	}
	b.entries = append(b.entries, e)
}

// loggedBySim is hostsim's AccessLog.
func (b *backend) loggedBySim(e hostsim.AccessEntry) {
	b.logged(strings.Join(e.Request[markHeader], ","), e.Details, e.FilterState)
}

// loggedByCore adds the entry of a stream of the core, by its last action and the edits of its
// request.
func (b *backend) loggedByCore(mark string, last filter.Action, edits []filter.Edit) {
	details, state := "via_upstream", map[string]string{}
	if last.Verdict == filter.Deny {
		details = last.Details()
	}
	for _, e := range edits {
		if e.Op == filter.State {
			state["wasm."+e.Name] = e.Value
		}
	}
	b.logged(mark, details, state)
}

// mark returns a step with a mark, where its entry in the access log is to be compared.
func (b *backend) mark(s step) (_ step, mark string) {
	if s.Want.Details == "" && s.Want.State == nil {
		return s, ""
	}
	b.marks++
	mark = strconv.Itoa(b.marks)
	s.Headers = append(slices.Clip(s.Headers), markHeader+": "+mark)
	return s, mark
}

// checkAccess waits for a step's entry in the access log and compares it.
func checkAccess(b *backend, mark string, w want) (problems []string) {
	if mark == "" {
		return nil
	}
	var found access
	for deadline := time.Now().Add(patience); found.Mark == ""; time.Sleep(5 * time.Millisecond) {
		for _, e := range b.accessLog() {
			if e.Mark == mark {
				found = e
			}
		}
		if time.Now().After(deadline) {
			return []string{"the access log has no entry"}
		}
	}
	if w.Details != "" && found.Details != w.Details {
		problems = append(problems, fmt.Sprintf("details %q, want %q", found.Details, w.Details))
	}
	wanted := map[string]string{}
	for name, value := range w.State {
		wanted[name] = b.fill(value)
	}
	if w.State != nil && !maps.Equal(found.State, wanted) {
		problems = append(problems, fmt.Sprintf("filter state %q, want %q", found.State, wanted))
	}
	return problems
}

// ids replaces {id NAME} by the ID of the session's key, or signed cookie, and {signed NAME} by that
// of all of a session's signed cookies.
func (b *backend) ids(text string) string {
	for name, key := range b.keys {
		text = strings.ReplaceAll(text, "{id "+name+"}", session.ID(key))
		text = strings.ReplaceAll(text, "{signed "+name+"}", session.ID(session.SignedID(key)))
	}
	return text
}
