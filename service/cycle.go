package service

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"cloakroom/api"
	"cloakroom/service/audit"
	"cloakroom/session"
)

// maxGrace is api.MaxGrace in seconds.
const maxGrace = int64(api.MaxGrace / time.Second)

type cycleRequest struct {
	Key *string `json:"key"`
	// Grace is how many seconds the previous key stays valid after the first use of the new one.
	Grace int64 `json:"grace"`
}

// cycle rotates a session's key: lookups of the previous key return the new one from then on. It
// is idempotent: repeated and concurrent calls make one key.
func (s *service) cycle(ctx context.Context, in cycleRequest) (response, error) {
	key, err := checkKey(in.Key)
	if err == nil && (in.Grace < 0 || in.Grace > maxGrace) {
		err = fmt.Errorf("%w: grace must be from 0 to %d seconds", errRequest, maxGrace)
	}
	if err != nil {
		return none, err
	}
	for range attempts {
		v, err := s.Store.Load(ctx, key)
		if err != nil {
			return none, err
		}
		if v.Cycle().Next != nil {
			return response{State: api.StateLive, Expires: v.Expires.Unix()}, nil
		}
		a, err := s.cycleFrom(ctx, v, in.Grace)
		if !errors.Is(err, errOvertaken) {
			return s.published(ctx, key, a, err)
		}
	}
	return none, fmt.Errorf("%w: the session is written all the time", session.ErrUnavailable)
}

// errOvertaken reports that a session was written between a read and the write that depends on it.
var errOvertaken = errors.New("service: the session was changed meanwhile")

// cycleFrom stores v under a new key, then links the previous key to it. It fails with
// errOvertaken if the session has changed since v was read.
func (s *service) cycleFrom(ctx context.Context, v session.Session, grace int64) (response, error) {
	successor := v
	now := strconv.FormatInt(s.Now().Unix(), 10)
	var err error
	successor.Data, err = mergePatch(v.Data, json.RawMessage(`{"`+session.CycledKey+`":`+now+`,"`+session.UsedKey+`":null}`))
	if err != nil {
		return none, err
	}
	err = s.withNewKey(func(key string) error {
		successor.Key = key
		return s.Store.Create(ctx, successor)
	})
	if err != nil {
		return none, err
	}
	next, err := json.Marshal(map[string]session.Next{session.NextKey: {Key: successor.Key, Grace: grace, Of: session.ID(v.Key)}})
	if err == nil {
		// Django may write the previous session back as it was, without the link. This note links
		// the new key to the previous one even then.
		err = s.Store.SetNote(ctx, session.PredecessorOf(successor.Key), session.Note{Text: v.Key, Expires: s.Now().Add(lineage)})
	}
	linking := err == nil
	if linking {
		_, err = s.Store.Update(ctx, v.Key, func(current session.Session) (session.Session, error) {
			if !current.SameData(v) || !current.Expires.Equal(v.Expires) {
				return current, errOvertaken
			}
			var err error
			current.Data, err = mergePatch(current.Data, next)
			return current, err
		})
	}
	switch {
	case err == nil:
	case linking && errors.Is(err, session.ErrUnavailable):
		// The link may be stored despite the error. Without its target the session would be lost.
		return none, err
	default:
		return none, errors.Join(err, s.Store.Delete(ctx, successor.Key))
	}
	s.audit(ctx, audit.Record{Event: audit.SessionRenewed, User: session.UserOf(v.Data), Session: successor.Key, Previous: v.Key})
	return response{State: api.StateLive, Expires: v.Expires.Unix()}, s.noteSuccessor(ctx, v.Key, successor.Key)
}

// noteSuccessor notes which key replaced a key, for a logout that comes when Django has overwritten
// the link. Where the previous key was deleted meanwhile, that may have been before the note: then
// the new key ends, too.
func (s *service) noteSuccessor(ctx context.Context, key, successor string) error {
	err := s.Store.SetNote(ctx, session.SuccessorsOf(key), session.Note{Text: successor, Expires: s.Now().Add(lineage)})
	if err != nil {
		return err
	}
	if _, err = s.Store.Load(ctx, key); errors.Is(err, session.ErrNotFound) {
		return errors.Join(err, s.end(ctx, audit.Application, successor))
	}
	return nil
}

// used notes that a client sent a key that cycle made.
func (s *service) used(ctx context.Context, in keyRequest) (response, error) {
	key, err := checkKey(in.Key)
	if err != nil {
		return none, err
	}
	v, err := s.Store.Update(ctx, key, func(v session.Session) (session.Session, error) {
		if c := v.Cycle(); c.Cycled == 0 || c.Used != 0 {
			return v, nil
		}
		var err error
		v.Data, err = mergePatch(v.Data, json.RawMessage(`{"`+session.UsedKey+`":`+strconv.FormatInt(s.Now().Unix(), 10)+`}`))
		return v, err
	})
	return response{State: api.StateLive, Expires: v.Expires.Unix()}, err
}

// lineage is how long the notes keep which key replaced which. No client uses a previous key for
// longer: its session has expired by then, or has been rotated again.
const lineage = 400 * 24 * time.Hour

// maxFamily bounds how many keys of one session are followed. A session has two or three; more
// were not made by this service.
const maxFamily = 16

var errFamily = fmt.Errorf("%w: its keys lead in a circle, or are too many", session.ErrUnreadable)

// follow returns the session under the newest of its keys. A previous key that is sent after its
// grace period was copied, or the client lost the new one. The two clients cannot be told apart,
// so the session is revoked (reuse detection).
func (s *service) follow(ctx context.Context, v session.Session) (session.Session, error) {
	first, replayed := v.Key, false
	for range maxFamily {
		next := v.Cycle().Next
		switch {
		case next == nil && replayed:
			return v, s.endReplayed(ctx, first, session.UserOf(v.Data))
		case next == nil:
			return v, nil
		}
		successor, err := s.load(ctx, next.Key)
		if errors.Is(err, session.ErrNotFound) {
			_, err = s.published(ctx, v.Key, none, s.Store.Delete(ctx, v.Key))
			return v, errors.Join(err, session.ErrNotFound)
		}
		if err != nil {
			return v, err
		}
		replayed = replayed || successor.Cycle().Over(next.Grace, s.Now())
		v = successor
	}
	return v, errFamily
}

func (s *service) endReplayed(ctx context.Context, key, user string) error {
	s.audit(ctx, audit.Record{Event: audit.TokenReuse, User: user, Session: key})
	if err := s.end(ctx, audit.Reuse, key); err != nil {
		return err
	}
	s.metrics.replays.Inc()
	s.Log.Warn("a session key was used after its grace period: a copy, perhaps a theft; the session has been ended", "user", user)
	return session.ErrNotFound
}

// end deletes a session as End does, and publishes that it has ended. Where there was one it writes
// that to the audit log, under the first of the keys.
func (s *service) end(ctx context.Context, why audit.Reason, keys ...string) error {
	ended, err := End(ctx, s.Store, keys...)
	if ended.Found {
		s.audit(ctx, audit.Record{Event: audit.SessionExpired, Reason: why, User: ended.User, Session: keys[0], Incomplete: err != nil})
	}
	events := make([]string, len(ended.Keys))
	for i, key := range ended.Keys {
		events[i] = session.SessionEvent(key)
	}
	return errors.Join(err, s.publish(ctx, events...))
}

// endRelatives deletes a session under the other keys of one that was rotated: a Django view that
// is still running may write to one of them, which would restore the session.
func (s *service) endRelatives(ctx context.Context, key string) error {
	relatives, err := noted(ctx, s.Store, key)
	if err != nil || len(relatives) == 0 {
		return err
	}
	return s.end(ctx, audit.Renewed, relatives...)
}

// Ended is what End has ended.
type Ended struct {
	// Keys are those that were deleted, whether or not there was a session under them.
	Keys []string
	// Found reports whether there was a session, live or unreadable. User is whose it was; empty
	// where that cannot be read.
	Found bool
	User  string
}

// End deletes a session under the given keys, under all keys that replaced them, and under all
// keys that they replaced, even if one of them is written concurrently. It returns what it has
// ended also beside an error.
func End(ctx context.Context, store session.Store, keys ...string) (ended Ended, err error) {
	family := slices.Clone(keys)
	for i := 0; i < len(family); i++ {
		key := family[i]
		ended.Keys = family[:i]
		v, found, err := kill(ctx, store, key)
		if err != nil {
			return ended, err
		}
		relatives, err := noted(ctx, store, key)
		if err != nil {
			return ended, err
		}
		if err := store.Delete(ctx, key); err != nil {
			return ended, err
		}
		ended.Found = ended.Found || found
		if user := session.UserOf(v.Data); user != "" {
			ended.User = user
		}
		if next := v.Cycle().Next; next != nil {
			relatives = append(relatives, next.Key)
		}
		for _, relative := range relatives {
			if session.ValidKey(relative) && !slices.Contains(family, relative) && len(family) < maxFamily {
				family = append(family, relative)
			}
		}
	}
	ended.Keys = family
	return ended, nil
}

// kill sets the expiry of the session under a key to the past, if it is alive, and returns the
// session as it was, and whether there was one. From then on no other key can be linked from it: a concurrent cycle finds no
// session.
func kill(ctx context.Context, store session.Store, key string) (last session.Session, found bool, err error) {
	_, err = store.Update(ctx, key, func(v session.Session) (session.Session, error) {
		last = v
		v.Expires = longAgo
		return v, nil
	})
	for _, harmless := range []error{session.ErrNotFound, session.ErrUnreadable, session.ErrTooLarge, session.ErrUnwritable} {
		if errors.Is(err, harmless) {
			// No session, or an unreadable one: nothing can be linked from it.
			return last, !errors.Is(err, session.ErrNotFound), nil
		}
	}
	return last, true, err
}

// longAgo is a past time that every store can represent.
var longAgo = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// EndUser ends all sessions of a user as End does. Its results and errors are those of
// session.FlushUser.
func EndUser(ctx context.Context, store session.Store, user string) (ended []string, err error) {
	return session.FlushUser(ctx, store, user, func(ctx context.Context, key string) error {
		_, err := End(ctx, store, key)
		return err
	})
}

// noted returns the keys that a key replaced and those that replaced it, from the notes.
func noted(ctx context.Context, store session.Store, key string) (keys []string, err error) {
	notes, err := store.Notes(ctx, session.PredecessorOf(key), session.SuccessorsOf(key))
	for _, note := range notes {
		keys = append(keys, strings.Fields(note.Text)...)
	}
	return keys, err
}

// cycledError is the error of a write to a session that has a newer key.
type cycledError struct{ next string }

func (cycledError) Error() string { return "service: the session has a newer key" }

// current calls write with the newest of a session's keys.
func current(key string, write func(key string) error) error {
	for range maxFamily {
		err := write(key)
		var cycled cycledError
		if !errors.As(err, &cycled) {
			return err
		}
		key = cycled.next
	}
	return errFamily
}
