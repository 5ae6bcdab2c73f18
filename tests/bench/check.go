package main

import (
	"net/http"

	"cloakroom/session"
)

// checker answers Envoy's ext_authz: what a service in Go would be that looks
// into the same store, with nothing around it.
func checker(sessions session.Store) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		cookie, err := r.Cookie("sessionid")
		if err != nil {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		v, err := sessions.Load(r.Context(), cookie.Value)
		if err != nil {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.Header().Set("X-User-Id", session.UserOf(v.Data))
		w.Header().Set("X-Session", string(v.Data))
	})
}
