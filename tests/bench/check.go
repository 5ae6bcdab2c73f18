package main

import (
	"encoding/binary"
	"io"
	"net/http"
	"net/http/httptest"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/protobuf/proto"

	"cloakroom/session"
)

// grpcPath is the method that ext_authz calls.
const grpcPath = "/envoy.service.auth.v3.Authorization/Check"

// newCheck starts the server that ext_authz asks, over HTTP and over gRPC: what a
// service in Go would be that looks into the same store, with nothing around it.
func newCheck(sessions session.Store) *httptest.Server {
	mux := http.NewServeMux()
	mux.Handle("POST "+grpcPath, grpcChecker(sessions))
	mux.Handle("/", checker(sessions))
	server := httptest.NewUnstartedServer(mux)
	server.Config.Protocols = &http.Protocols{}
	server.Config.Protocols.SetHTTP1(true)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	return server
}

// identity gives who the session of a request's cookies is, and its data.
func identity(r *http.Request, sessions session.Store) (user, data string, found bool) {
	cookie, err := r.Cookie("sessionid")
	if err != nil {
		return "", "", false
	}
	v, err := sessions.Load(r.Context(), cookie.Value)
	if err != nil {
		return "", "", false
	}
	return session.UserOf(v.Data), string(v.Data), true
}

func checker(sessions session.Store) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, data, found := identity(r, sessions)
		if !found {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.Header().Set("X-User-Id", user)
		w.Header().Set("X-Session", data)
	})
}

// grpcChecker is the same for gRPC, of which one message each way is needed.
func grpcChecker(sessions session.Store) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var in authv3.CheckRequest
		if err != nil || len(body) < 5 || proto.Unmarshal(body[5:], &in) != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		asked := (&http.Request{Header: http.Header{"Cookie": {in.GetAttributes().GetRequest().GetHttp().GetHeaders()["cookie"]}}}).WithContext(r.Context())
		out := &authv3.CheckResponse{}
		if user, data, found := identity(asked, sessions); found {
			out.HttpResponse = &authv3.CheckResponse_OkResponse{OkResponse: &authv3.OkHttpResponse{Headers: []*corev3.HeaderValueOption{
				{Header: &corev3.HeaderValue{Key: "x-user-id", Value: user}},
				{Header: &corev3.HeaderValue{Key: "x-session", Value: data}},
			}}}
		}
		text, err := proto.Marshal(out)
		if err != nil {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/grpc")
		_, _ = w.Write(append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(text))), text...))
		w.Header().Set(http.TrailerPrefix+"Grpc-Status", "0")
	})
}
