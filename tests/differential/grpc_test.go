package differential

import (
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
)

// newUpstream serves app over HTTP/1.1 and HTTP/2.
func newUpstream(ended <-chan struct{}) *httptest.Server {
	server := httptest.NewUnstartedServer(app(ended))
	server.Config.Protocols = &http.Protocols{}
	server.Config.Protocols.SetHTTP1(true)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	return server
}

// grpcMethods adds the methods of the service test.Echo. It uses no library, so that cases can do
// what no library does.
func grpcMethods(mux *http.ServeMux, ended <-chan struct{}) {
	method := func(name string, serve func(w http.ResponseWriter, r *http.Request)) {
		mux.HandleFunc("/test.Echo/"+name, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/grpc")
			w.Header().Set("X-App", "1")
			serve(w, r)
		})
	}
	end := func(w http.ResponseWriter, code int, message string) {
		w.Header().Set(http.TrailerPrefix+"Grpc-Status", fmt.Sprint(code))
		w.Header().Set(http.TrailerPrefix+"X-End", "1")
		if message != "" {
			w.Header().Set(http.TrailerPrefix+"Grpc-Message", message)
		}
	}
	method("Unary", func(w http.ResponseWriter, r *http.Request) {
		message, err := receiveMessage(r.Body)
		if err != nil {
			return
		}
		sendMessage(w, fmt.Sprintf("%s %s %s %s te=%s meta=%s: %s", r.Method, r.URL.Path, r.Host, r.Header.Get("Content-Type"),
			r.Header.Get("Te"), strings.Join(r.Header["X-Meta"], "|"), message))
		end(w, 0, "")
	})
	method("Fail", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(200); end(w, 7, "not%20you") })
	method("Silent", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(200); end(w, 0, "") })
	method("Only", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Grpc-Status", "5")
		w.Header().Set("Grpc-Message", "none")
	})
	method("Odd", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) })
	method("Hang", func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-ended:
		case <-r.Context().Done():
		}
	})
	method("Stream", func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		for {
			message, err := receiveMessage(r.Body)
			if err != nil {
				break
			}
			sendMessage(w, "you said "+message)
			w.(http.Flusher).Flush()
		}
		end(w, 0, "")
	})
}

func receiveMessage(r io.Reader) (string, error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return "", err
	}
	b := make([]byte, binary.BigEndian.Uint32(head[1:]))
	_, err := io.ReadFull(r, b)
	return string(b), err
}

func sendMessage(w io.Writer, message string) {
	_, _ = w.Write(append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))), message...))
}
