package service

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"cloakroom/api"
	"cloakroom/session"
)

type feedRequest struct {
	After string `json:"after"`
	// Hold is for how many milliseconds to wait for an event.
	Hold int64 `json:"hold"`
}

type feedAnswer struct {
	Cursor string   `json:"cursor"`
	Gap    bool     `json:"gap"`
	Events []string `json:"events"`
}

// feedEndpoint answers with the events after a cursor, as soon as there are
// any. An answer without events says that none was missed.
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
	// Ended says that the session has ended under this key: it was deleted, or has
	// another key now.
	Ended bool `json:"ended"`
}

// changed handles that somebody else, Django most likely, has changed or ended a session. Of
// one that has ended the other keys end too, which Django does not know.
func (s *service) changed(ctx context.Context, in changedRequest) (answer, error) {
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
			return none, s.end(ctx, append(relatives, key)...)
		}
	}
	return none, s.publish(ctx, session.SessionEvent(key))
}

// publish tells of what was done. What cannot be told is an error: whoever
// hears that a session has ended may rely on it everywhere.
func (s *service) publish(ctx context.Context, events ...string) error {
	if s.Feed == nil {
		return nil
	}
	return s.Feed.Publish(ctx, events...)
}

// told publishes that the session of key was changed by a write that succeeded.
func (s *service) told(ctx context.Context, key string, a answer, err error) (answer, error) {
	if err != nil {
		return a, err
	}
	return a, s.publish(ctx, session.SessionEvent(key))
}
