package main

import (
	"fmt"
	"strings"
	"time"

	"cloakroom/filter"
	"cloakroom/session"
)

// upstream answers a request that has passed: a service in any language, or Django.
func (r *request) upstream() {
	if r.kind >= djangoLogin && r.kind <= password {
		r.django()
		return
	}
	headers := filter.Headers{{":status", "200"}}
	switch r.kind {
	case set:
		r.wrote = fmt.Sprint("k", r.id)
		headers = append(headers, [2]string{"x-session-set", fmt.Sprintf(`{%q:1}`, r.wrote)})
	case login:
		headers = append(headers, [2]string{"x-session-login", r.user}, [2]string{"x-session-set", fmt.Sprintf(`{"tag":%q}`, r.tag)})
	case flush:
		headers = append(headers, [2]string{"x-session-flush", "1"})
	}
	r.w.tell("service behind", "answers %s %v", r, headers[1:])
	r.respond(headers)
}

// django is a view that loads the session, takes a while, and writes. It reads and writes rows
// as django.contrib.sessions does: whole, and without a lock.
func (r *request) django() {
	w := r.w
	key := ""
	if _, value, ok := strings.Cut(r.headers.Get("cookie"), "sessionid="); ok {
		key, _, _ = strings.Cut(value, ";")
	}
	v, stored := w.store.peek(key)
	found := stored && w.oracle.accepts(v) // else request.user is nobody
	w.after(w.between(0, 60*time.Millisecond, forDjango), func() {
		headers := filter.Headers{{":status", "200"}}
		cookie := func(value string) {
			headers = append(headers, [2]string{"set-cookie", "sessionid=" + value + "; Path=/; Max-Age=1209600"})
		}
		switch {
		case r.kind == djangoLogin:
			data := string(v.Data)
			account := w.oracle.accounts[r.user]
			if !account.active {
				break
			}
			if !found || session.UserOf(v.Data) != r.user {
				data = "{}"
			}
			cookie(r.cycleKey(key, stored, setMember(setMember(data, loginData(r.user, account.password)), fmt.Sprintf(`{"tag":%q}`, r.tag))))
		case !found:
		case r.kind == djangoLogout:
			w.store.django(func() { w.store.delete(key) }, key)
			r.did = "ended"
			headers = append(headers, [2]string{"set-cookie", `sessionid=""; expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Path=/`})
		case r.kind == djangoSave:
			r.wrote = fmt.Sprint("k", r.id)
			if !w.store.save(key, setMember(string(v.Data), fmt.Sprintf(`{%q:1}`, r.wrote))) {
				headers[0][1], r.wrote = "400", "" // SessionInterrupted
				break
			}
			cookie(key)
		case r.kind == djangoCycle:
			cookie(r.cycleKey(key, true, setMember(string(v.Data), fmt.Sprintf(`{"tag":%q}`, r.tag))))
		case r.kind == password:
			user := session.UserOf(v.Data)
			w.oracle.passwordChanges(user)
			cookie(r.cycleKey(key, true, setMember(setMember(string(v.Data), loginData(user, w.oracle.accounts[user].password)), fmt.Sprintf(`{"tag":%q}`, r.tag))))
		}
		w.tell("django", "answers %s %v %s", r, headers[0][1], r.did)
		r.respond(headers)
	})
}

// cycleKey stores data under a new key and deletes the old one (SessionBase.cycle_key).
func (r *request) cycleKey(key string, found bool, data string) string {
	w := r.w
	fresh, err := session.NewKey(w.random())
	if err != nil {
		panic(err)
	}
	w.store.django(func() { w.store.create(fresh, data) }, fresh)
	if found {
		w.store.django(func() { w.store.delete(key) }, key)
		r.did = "ended"
	}
	return fresh
}
