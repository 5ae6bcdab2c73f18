package main

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"cloakroom/filter/worker"
	"cloakroom/session"
)

// watching performs a write of rows, and sees what it does.
func (o *oracle) watching(by cause, effect func() error, keys ...string) error {
	var before [2]session.Session
	var was [2]bool
	for i, key := range keys {
		before[i], was[i] = o.w.store.peek(key)
	}
	err := effect()
	for i, key := range keys {
		after, is := o.w.store.peek(key)
		switch {
		case is && !was[i]:
			o.created(key, after)
		case was[i] && !is:
			o.deleted(by, key)
		case is:
			o.changed(by, key, before[i], after)
		}
	}
	return err
}

func (o *oracle) created(key string, v session.Session) {
	if g := o.keys[key]; g != nil {
		o.w.fail(3, "%s, which was deleted, is back", g.name)
		return
	}
	tag, user := strings.Trim(member(members(v), "tag"), `"`), session.UserOf(v.Data)
	l := o.lineages[tag]
	if l == nil || l.ended != nil && v.Cycle().Cycled == 0 { // a login that was carried out again later
		l = &lineage{tag: tag, user: user, since: o.w.now, ends: never, lost: map[string]bool{}, here: map[place]time.Duration{}}
		if o.flushing[user] > 0 || o.w.plan.acct && !o.accepts(v) {
			l.ends = o.w.now // or not: it was not there when that began, or is of an earlier password
		}
		o.lineages[tag] = l
		o.order = append(o.order, l)
	}
	g := &ghost{fmt.Sprint("key", len(o.keys)), l, user, false}
	o.keys[key] = g
	l.rows++
	o.w.tell("store", "%s of session %s is there, of %s: %s", g.name, tag, user, o.named(string(v.Data)))
	if l.user != user {
		o.w.fail(2, "session %s of %s is stored as one of %s", tag, l.user, user)
	}
}

func (o *oracle) deleted(by cause, key string) {
	g := o.keys[key]
	g.byDjango = by == byDjango
	g.lineage.rows--
	o.w.tell("store", "%s of session %s is gone", g.name, g.lineage.tag)
	if by == byService && g.lineage.rows == 0 && g.lineage.ends > o.w.now {
		o.w.fail(5, "the row of session %s is deleted, and nothing has begun to end it", g.lineage.tag)
	}
}

func (o *oracle) changed(by cause, key string, before, after session.Session) {
	g := o.keys[key]
	l := g.lineage
	if string(before.Data) == string(after.Data) {
		return
	}
	o.w.tell("store", "%s of session %s holds %s", g.name, l.tag, o.named(string(after.Data)))
	if user := session.UserOf(after.Data); user != g.user {
		o.w.fail(2, "%s of session %s of %s becomes one of %s", g.name, l.tag, g.user, user)
	}
	old, now := members(before), members(after)
	if by != byService {
		l.split = l.split || l.rows > 1
		for _, m := range old {
			if member(now, m.Name) == "" {
				l.lost[m.Name] = true
			}
		}
		return
	}
	for _, m := range old {
		if strings.HasPrefix(m.Name, "k") && member(now, m.Name) == "" {
			o.w.fail(3, "a write by the service loses %s of session %s", m.Name, l.tag)
		}
	}
	if next := after.Cycle().Next; next != nil {
		successor, _ := o.w.store.peek(next.Key)
		for _, m := range old {
			if strings.HasPrefix(m.Name, "k") && member(members(successor), m.Name) == "" && !l.split && o.live(l) {
				o.w.fail(3, "the new key of session %s has no %s", l.tag, m.Name)
			}
		}
	}
}

// atEnd checks what is held when every stream is over, and all callouts were answered.
func (o *oracle) atEnd() {
	for _, e := range o.w.envoys {
		for _, v := range e.vms {
			if held := v.worker.Held(); !v.dead && held != (worker.Held{}) {
				o.w.fail(4, "%s holds %+v with no stream open", v, held)
			}
		}
	}
}

// name returns what the story calls a key.
func (o *oracle) name(key string) string {
	if key == "" {
		return "no cookie"
	}
	if g := o.keys[key]; g != nil {
		return g.name
	}
	return "key?"
}

var keyPattern = regexp.MustCompile(`\b[a-z0-9]{32}\b|"_auth_user_(hash|backend)":"[^"]*",?`)

// named puts names in the place of keys, and leaves out what only takes room.
func (o *oracle) named(text string) string {
	if o.w.story == nil {
		return ""
	}
	return keyPattern.ReplaceAllStringFunc(text, func(found string) string {
		if found[0] == '"' {
			return ""
		}
		return o.name(found)
	})
}
