// Command check is the server of ext_authz in the bench, over HTTP and over gRPC: a minimal Go
// service that looks up sessions in the same store. It is a separate process, as the session
// service is. CHECK_SECRET_KEY is Django's SECRET_KEY.
package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/protobuf/proto"

	"cloakroom/session"
	"cloakroom/session/django"
	"cloakroom/store"
)

type cli struct {
	Listen    string `required:"" help:"The address to listen on."`
	Store     string `required:"" help:"The store, as cloakroom serve takes it."`
	SecretKey string `required:"" env:"CHECK_SECRET_KEY" help:"Django's SECRET_KEY."`
}

func main() {
	var c cli
	kong.Parse(&c, kong.Name("check"))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := c.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "check:", err)
		os.Exit(1)
	}
}

func (c *cli) run(ctx context.Context) error {
	codec, err := django.NewCodec(c.SecretKey)
	if err != nil {
		return err
	}
	sessions, err := store.Open(ctx, c.Store, store.Options{Codec: codec})
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("POST /envoy.service.auth.v3.Authorization/Check", grpcChecker(sessions))
	mux.HandleFunc("GET /readyz", func(http.ResponseWriter, *http.Request) {})
	mux.Handle("/", checker(sessions))
	server := &http.Server{Addr: c.Listen, Handler: mux, Protocols: &http.Protocols{}}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	context.AfterFunc(ctx, func() { server.Close() })
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return errors.Join(err, sessions.Close())
	}
	return sessions.Close()
}

// identity returns the user and the data of the session in a request's cookies.
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

// grpcChecker is the same for gRPC, with one message in each direction.
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
