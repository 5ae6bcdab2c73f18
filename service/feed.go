package service

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"cloakroom/api"
	"cloakroom/service/audit"
	"cloakroom/session"
)

type feedRequest struct {
	After string `json:"after"`
	// Hold is how many milliseconds to wait for an event.
	Hold int64 `json:"hold"`
}

type feedAnswer struct {
	Cursor string   `json:"cursor"`
	Gap    bool     `json:"gap"`
	Events []string `json:"events"`
}

// feedEndpoint responds with the events after a cursor, as soon as there are any. A response
// without events confirms that none was missed.
func feedEndpoint(s *service) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		in, err := decode[feedRequest](http.MaxBytesReader(w, r.Body, 4<<10))
		if err == nil && (in.Hold < 0 || in.Hold > api.MaxHold.Milliseconds()) {
			err = fmt.Errorf("%w: hold must be from 0 to %d milliseconds", errRequest, api.MaxHold.Milliseconds())
		}
		if err == nil && s.Feed == nil {
			err = fmt.Errorf("%w: there is no feed", session.ErrUnavailable)
		}
		if err != nil {
			s.fail(w, r.URL.Path, err)
			return
		}
		ctx, cancel := s.WithTimeout(r.Context(), time.Duration(in.Hold)*time.Millisecond)
		defer cancel()
		page, err := s.Feed.Read(ctx, in.After)
		if err != nil {
			s.fail(w, r.URL.Path, err)
			return
		}
		if page.Events == nil {
			page.Events = []string{}
		}
		respond(w, http.StatusOK, feedAnswer{page.Cursor, page.Gap, page.Events})
	})
}

type changedRequest struct {
	Key *string `json:"key"`
	// User reports that the account of this ID has changed, in place of Key.
	User string `json:"user"`
	// Ended reports that the session has ended under this key: it was deleted, or has another key.
	Ended bool `json:"ended"`
}

// changed handles the report that a session, or a user's account, was changed or ended outside of
// this service, most likely by Django. Of a session that has ended it deletes the other keys too,
// which Django does not have.
func (s *service) changed(ctx context.Context, in changedRequest) (response, error) {
	if in.User != "" {
		return none, s.accountChanged(ctx, in)
	}
	key, err := checkKey(in.Key)
	if err != nil {
		return none, err
	}
	if in.Ended {
		relatives, err := noted(ctx, s.Store, key)
		if err != nil {
			return none, err
		}
		if len(relatives) > 0 {
			return none, s.end(ctx, audit.Application, append(relatives, key)...)
		}
		s.auditOnce(ctx, audit.Record{Event: audit.SessionExpired, Reason: audit.Application, Session: key})
	}
	return none, s.publish(ctx, session.SessionEvent(key))
}

// accountChanged has filters look up a user's sessions anew.
func (s *service) accountChanged(ctx context.Context, in changedRequest) error {
	if in.Key != nil || in.Ended {
		return fmt.Errorf("%w: user excludes key and ended", errRequest)
	}
	if err := checkUser(in.User); err != nil {
		return err
	}
	id, err := s.Accounts.canonical(ctx, in.User)
	if err != nil {
		return err
	}
	s.audit(ctx, audit.Record{Event: audit.AccountsChanged, User: id})
	return s.publish(ctx, session.UserEvent(id))
}

// publish publishes events. Its errors must be returned: a caller that gets no error relies on the
// session having ended everywhere.
func (s *service) publish(ctx context.Context, events ...string) error {
	if s.Feed == nil {
		return nil
	}
	return s.Feed.Publish(ctx, events...)
}

// published publishes an event for the session of key, if the write succeeded.
func (s *service) published(ctx context.Context, key string, a response, err error) (response, error) {
	if err != nil {
		return a, err
	}
	return a, s.publish(ctx, session.SessionEvent(key))
}
