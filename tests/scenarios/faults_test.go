package scenarios

import (
	"io"
	"net"
	"net/http"
	"strings"
)

// faults are the ways in which the session service can fail.
var faults = map[string]func(b *backend, w http.ResponseWriter, next http.Handler, r *http.Request){
	"":                     func(_ *backend, w http.ResponseWriter, next http.Handler, r *http.Request) { next.ServeHTTP(w, r) },
	"hang":                 func(b *backend, _ http.ResponseWriter, _ http.Handler, _ *http.Request) { <-b.ended },
	"none":                 answering(200, "application/json", `{"state":"none"}`),
	"reset":                func(b *backend, w http.ResponseWriter, _ http.Handler, _ *http.Request) { b.cut(w, "") },
	"error":                answering(500, "application/json", `{"error":"boom"}`),
	"not found":            answering(404, "application/json", `{"state":"none"}`),
	"token":                answering(401, "application/json", `{"state":"none"}`),
	"unreadable":           answering(422, "application/json", `{"error":"unreadable"}`),
	"html":                 answering(200, "text/html", `<!doctype html><title>Welcome to the proxy</title>`),
	"empty":                answering(200, "application/json", ``),
	"object":               answering(200, "application/json", `{}`),
	"state":                answering(200, "application/json", `{"state":"alive","expires":9999999999,"data":{"_auth_user_id":"1"}}`),
	"no data":              answering(200, "application/json", `{"state":"live","expires":9999999999}`),
	"no expiry":            answering(200, "application/json", `{"state":"live","data":{"_auth_user_id":"1"}}`),
	"truncated":            answering(200, "application/json", `{"state":"live","expires":9999999999,"data":{"_auth_user_id":"1"`),
	"twice":                answering(200, "application/json", `{"state":"none","state":"live","expires":9999999999,"data":{"_auth_user_id":"1"}}`),
	"binary":               answering(200, "application/json", "\x00\xff\xfe\x01"),
	"half":                 func(b *backend, w http.ResponseWriter, _ http.Handler, _ *http.Request) { b.cut(w, `{"state":"live",`) },
	"huge":                 huge,
	"live":                 answering(200, "application/json", `{"state":"live","expires":9999999999,"data":{"_auth_user_id":"1"}}`),
	"expired":              answering(200, "application/json", `{"state":"live","expires":1000000000,"data":{"_auth_user_id":"1"}}`),
	"deep":                 answering(200, "application/json", `{"state":"live","expires":9999999999,"data":{"_auth_user_id":`+strings.Repeat("[", 100000)),
	"controls":             answering(200, "application/json", `{"state":"live","expires":9999999999,"data":{"_auth_user_id":"1\r\nx-admin: 1"}}`),
	"bad user":             answering(200, "application/json", `{"state":"live","expires":9999999999,"data":{"_auth_user_id":"1"},"user":["is_staff"]}`),
	"no user":              answering(200, "application/json", `{"state":"live","expires":9999999999,"data":{"_auth_user_id":"1","user.is_staff":true}}`),
	"too much":             answering(200, "application/json", `{"state":"live","expires":9999999999,"data":{"_auth_user_id":"1"},"user":{"is_staff":true},"user_omitted":["groups"]}`),
	"token of two lines":   answering(200, "application/json", `{"state":"live","expires":9999999999,"data":{"_auth_user_id":"1"},"token":"a.b.c\r\nx-admin: 1","token_ttl":60}`),
	"token without an end": answering(200, "application/json", `{"state":"live","expires":9999999999,"data":{"_auth_user_id":"1"},"token":"a.b.c"}`),
	"token too large":      answering(200, "application/json", `{"state":"live","expires":9999999999,"data":{"_auth_user_id":"1"},"token":"a.b.`+strings.Repeat("c", 8000)+`","token_ttl":60}`),
	"bad expiry":           answering(200, "application/json", `{"state":"live","expires":9999999999,"data":{"_auth_user_id":"1","_session_expiry":"soon"}}`),
}

func answering(status int, contentType, body string) func(*backend, http.ResponseWriter, http.Handler, *http.Request) {
	return func(_ *backend, w http.ResponseWriter, _ http.Handler, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// cut sends less than it announced, or resets the connection before it sends anything.
func (b *backend) cut(w http.ResponseWriter, part string) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		b.t.Error(err)
		return
	}
	if part != "" {
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n"+part)
	} else if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// huge sends 100 MB that begin like a live session.
func huge(_ *backend, w http.ResponseWriter, _ http.Handler, _ *http.Request) {
	_, _ = io.WriteString(w, `{"state":"live","expires":9999999999,"data":{"_auth_user_id":"1","x":"`)
	chunk := []byte(strings.Repeat("x", 1<<20))
	for range 100 {
		if _, err := w.Write(chunk); err != nil {
			return
		}
	}
	_, _ = io.WriteString(w, `"}}`)
}
