package service

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"cloakroom/session"
)

// errRequest is the error of a request that the API does not allow.
var errRequest = errors.New("bad request")

// statuses maps errors to HTTP statuses; the first match counts. An error that matches none is an
// internal error.
var statuses = []struct {
	err    error
	status int
}{
	{errRequest, http.StatusBadRequest},
	{session.ErrTooLarge, http.StatusRequestEntityTooLarge},
	{session.ErrUnwritable, http.StatusUnprocessableEntity},
	{session.ErrNotEnded, http.StatusConflict},
	{session.ErrNoZone, http.StatusUnprocessableEntity},
	{session.ErrUnavailable, http.StatusServiceUnavailable},
}

func statusOf(err error) int {
	for _, row := range statuses {
		if errors.Is(err, row.err) {
			return row.status
		}
	}
	return http.StatusInternalServerError
}

// call handles one request of the API.
type call func(ctx context.Context, body io.Reader) (response, error)

// calling returns a call that decodes a request, calls f, and maps its error with definite.
func calling[In any](s *service, path string, f func(context.Context, In) (response, error)) call {
	return func(ctx context.Context, body io.Reader) (response, error) {
		in, err := decode[In](body)
		if err != nil {
			return none, err
		}
		out, err := f(ctx, in)
		return s.definite(path, out, err)
	}
}

// endpoint returns the handler of a call.
func endpoint(s *service, call call) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := s.WithTimeout(withTrace(r.Context(), traceOf(r)), s.Timeout)
		defer cancel()
		out, err := call(ctx, http.MaxBytesReader(w, r.Body, s.maxBody()))
		if err != nil {
			s.fail(w, r.URL.Path, err)
			return
		}
		respond(w, http.StatusOK, out)
	})
}

// maxBody returns the limit of a request's body, in bytes: room for a key, and for data whose
// characters are all escaped and which is smaller in canonical form.
func (s *service) maxBody() int64 { return int64(2*s.MaxData) + 4<<10 }

// decode reads one JSON value, with no unknown field and nothing after it.
func decode[In any](body io.Reader) (in In, err error) {
	d := json.NewDecoder(body)
	d.DisallowUnknownFields()
	if err = d.Decode(&in); err == nil {
		if _, err = d.Token(); errors.Is(err, io.EOF) {
			return in, nil
		}
		if err == nil {
			err = errors.New("there is text after the JSON object")
		}
	}
	return in, bodyError(err)
}

// bodyError converts an error of reading a request's body.
func bodyError(err error) error {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return fmt.Errorf("%w: body over %d bytes", session.ErrTooLarge, tooLarge.Limit)
	}
	return fmt.Errorf("%w: body: %w", errRequest, err)
}

// definite returns the response "none" for errors that mean that there is no session, and logs
// those that need attention.
func (s *service) definite(path string, out response, err error) (response, error) {
	switch {
	case errors.Is(err, session.ErrNotFound):
		return none, nil
	case errors.Is(err, session.ErrOpaque):
		s.metrics.unreadable.Inc()
		s.throttle.warn("stored session cannot be read here, though Django may; treated as none", "path", path, "error", err)
		return none, nil
	case errors.Is(err, session.ErrUnreadable):
		s.metrics.unreadable.Inc()
		s.throttle.warn("stored session cannot be read, treated as none; is CLOAKROOM_SECRET_KEY Django's SECRET_KEY?",
			"path", path, "error", err)
		return none, nil
	case errors.Is(err, session.ErrNoZone):
		s.throttle.warn("a session is refused", "path", path, "error", err)
	case errors.Is(err, session.ErrUnwritable):
		s.throttle.warn("a write is refused: Django could not read what it makes of the session, or would lose what the session holds", "path", path, "error", err)
	}
	return out, err
}

// fail writes the response to an error.
func (s *service) fail(w http.ResponseWriter, path string, err error) {
	status, problem := s.problem(path, err)
	respond(w, status, problem)
}

// problem returns the status and the body of the response to an error. The store's error text goes
// to the log only.
func (s *service) problem(path string, err error) (int, problem) {
	status := statusOf(err)
	message := err.Error()
	if status >= http.StatusInternalServerError {
		s.metrics.storeErrors.WithLabelValues(path).Inc()
		s.Log.Error("request failed", "path", path, "status", status, "error", err)
		message = http.StatusText(status)
		for _, known := range []error{session.ErrFull} {
			if errors.Is(err, known) {
				message = known.Error() // which holds nothing of the session
			}
		}
	}
	return status, problem{message}
}

type problem struct {
	Error string `json:"error"`
}

func refuse(w http.ResponseWriter, status int, message string) {
	respond(w, status, problem{message})
}

func respond(w http.ResponseWriter, status int, body any) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.Encode(body)
}

func notFound(w http.ResponseWriter, _ *http.Request) {
	refuse(w, http.StatusNotFound, "no such path")
}

func method(allowed string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != allowed {
			w.Header().Set("Allow", allowed)
			refuse(w, http.StatusMethodNotAllowed, "use "+allowed)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// authorized compares hashes, so that the response time reveals neither the token nor its length.
func (s *service) authorized(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		sum := sha256.Sum256([]byte(token))
		same := subtle.ConstantTimeCompare(sum[:], s.tokenSum[:]) == 1
		if !s.Open && !(strings.EqualFold(scheme, "Bearer") && same) {
			s.throttle.warn("a request without the right token is refused: the filter's engine.service.token and CLOAKROOM_TOKEN must be the same",
				"path", r.URL.Path, "from", r.RemoteAddr, "token", map[bool]string{false: "absent", true: "wrong"}[r.Header.Get("Authorization") != ""])
			w.Header().Set("WWW-Authenticate", "Bearer")
			w.Header().Set("Connection", "close")
			refuse(w, http.StatusUnauthorized, "bad or missing bearer token")
			return
		}
		s.Guard.admit(r.Context())
		next.ServeHTTP(w, r)
	})
}

func (s *service) health(w http.ResponseWriter, _ *http.Request) {
	respond(w, http.StatusOK, map[string]string{"status": "ok"})
}

type readiness struct {
	Status   string   `json:"status"`
	Warnings []string `json:"warnings,omitempty"`
	// Notices are the parts that work in a degraded way.
	Notices []string `json:"notices,omitempty"`
}

// warnings returns what an operator must do before the store fails.
func (s *service) warnings(ctx context.Context) []string {
	bounded, ok := s.Store.(session.Bounded)
	if !ok {
		return nil
	}
	c, err := bounded.Capacity(ctx)
	if err != nil {
		return []string{"how full the store is cannot be read: " + err.Error()}
	}
	return c.Warnings()
}

func (s *service) ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := s.WithTimeout(r.Context(), s.Timeout)
	defer cancel()
	if err := s.Store.Ping(ctx); err != nil {
		s.fail(w, r.URL.Path, err)
		return
	}
	// A store that is nearly full is ready: requests must still come here until it fails.
	respond(w, http.StatusOK, readiness{"ready", slices.Concat(s.warnings(ctx), s.lacking.warnings(), s.tokenWarnings()), session.Notices(s.Store, s.Feed)})
}
