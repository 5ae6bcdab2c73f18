package service

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"cloakroom/api"
	"cloakroom/service/audit"
	"cloakroom/session"
)

// flushRequest names one session, or all of a user.
type flushRequest struct {
	Key  *string `json:"key"`
	User string  `json:"user"`
	// Age is how many seconds a session that is kept in its cookie can live:
	// with it, Key is a session.Signed's ID, and of a user such sessions end too.
	Age int64 `json:"age"`
	// Before ends only those of a user's sessions that are kept in cookies and
	// began by then, in Unix seconds.
	Before int64 `json:"before"`
	// Reason says why, for the audit log: one of api.Reasons. Signed is the session.Signed of Key,
	// which says whose the session is.
	Reason string `json:"reason"`
	Signed string `json:"signed"`
}

func (s *service) flush(ctx context.Context, in flushRequest) (response, error) {
	reason, err := flushReason(in.Reason)
	if err != nil {
		return none, err
	}
	if in.User != "" {
		return none, s.flushUser(ctx, in, reason)
	}
	key, err := checkKey(in.Key)
	switch {
	case err != nil:
		return none, err
	case in.Before != 0:
		return none, fmt.Errorf("%w: before is for a user's sessions", errRequest)
	case in.Age == 0:
		return none, s.end(ctx, reason, key)
	}
	of, ok := session.ParseSigned(in.Signed)
	if in.Signed != "" && (!ok || of.ID != key) {
		return none, fmt.Errorf("%w: signed must be of the key", errRequest)
	}
	if err := s.revokeSigned(ctx, in); err != nil {
		return none, err
	}
	s.auditOnce(ctx, audit.Record{Event: audit.SessionExpired, Reason: reason, User: of.User, Session: key})
	return none, s.publish(ctx, session.SessionEvent(key))
}

// flushReason returns the reason of a flush for the audit log.
func flushReason(reason string) (audit.Reason, error) {
	switch {
	case reason == "":
		return audit.Revoked, nil
	case slices.Contains(api.Reasons(), reason):
		return audit.Reason(reason), nil
	}
	return "", fmt.Errorf("%w: reason must be one of %s", errRequest, strings.Join(api.Reasons(), ", "))
}

func (s *service) flushUser(ctx context.Context, in flushRequest, reason audit.Reason) error {
	switch {
	case in.Key != nil:
		return fmt.Errorf("%w: key and user exclude each other", errRequest)
	case in.Before != 0 && in.Age == 0:
		return fmt.Errorf("%w: before needs age", errRequest)
	}
	if err := checkUser(in.User); err != nil {
		return err
	}
	var err error
	if in.User, err = s.Accounts.canonical(ctx, in.User); err != nil {
		return err
	}
	if in.Age != 0 {
		if err := s.revokeSigned(ctx, in); err != nil {
			return err
		}
	}
	record := audit.Record{Event: audit.SessionExpired, Reason: reason, User: in.User, All: true}
	if in.Before == 0 {
		var ended []string
		ended, err = EndUser(ctx, s.Store, in.User)
		record.Ended, record.Incomplete = len(ended), err != nil
	} else {
		record.Before = time.Unix(in.Before, 0)
	}
	s.audit(ctx, record)
	if err != nil && !errors.Is(err, session.ErrNotEnded) {
		return err
	}
	return errors.Join(s.publish(ctx, session.UserEvent(in.User)), err) // of those that were ended
}
