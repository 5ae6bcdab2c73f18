package fromdjango

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"

	"cloakroom/session"
	"cloakroom/store"
)

// openURL is the environment variable that passes the URL to TestOpen.
const openURL = "FROMDJANGO_TEST_STORE"

// TestOpen opens a store in a separate process, since a process reads its certificates once.
func TestOpen(t *testing.T) {
	url := os.Getenv(openURL)
	if url == "" {
		return // TestTLS sets it
	}
	s, err := store.Open(t.Context(), url, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
}

// TestTLS checks that the session service, with the printed environment, trusts the authorities of
// ssl_ca_certs only.
func TestTLS(t *testing.T) {
	dir := project(t, "# ca.pem", nil)
	pair, err := tls.LoadX509KeyPair(dir+"/ca.pem", dir+"/key.pem")
	if err != nil {
		t.Fatal(err)
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}})
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go servePing(conn)
		}
	}()
	location := fmt.Sprintf("'rediss://localhost:%d'", listener.Addr().(*net.TCPAddr).Port)
	for _, c := range []struct {
		name, options string
		opens         bool
	}{
		{"the project's certificates", fmt.Sprintf("'ssl_ca_certs': '%s/ca.pem'", dir), true},
		{"the system's", "", false},
		{"none", "'ssl_cert_reqs': None", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			site := project(t, at(location, c.options), nil)
			result, err := Translate(t.Context(), Options{Python: python(t), Project: site, Module: "conf"})
			if err != nil {
				t.Fatal(err)
			}
			command := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestOpen$")
			command.Env = append(os.Environ(), openURL+"="+result.Serve[2])
			for name, value := range result.Environment {
				command.Env = append(command.Env, name+"="+value)
			}
			out, err := command.CombinedOutput()
			if (err == nil) != c.opens {
				t.Errorf("%v\n%s\nwant opened: %v", err, out, c.opens)
			}
			if !c.opens && (!strings.Contains(string(out), session.ErrUnavailable.Error()) || !strings.Contains(string(out), "certificate")) {
				t.Errorf("got %s, want an error about the certificate", out)
			}
		})
	}
}

// servePing implements enough of Redis's protocol for a PING.
func servePing(conn net.Conn) {
	defer conn.Close()
	for r := bufio.NewReader(conn); ; {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		switch strings.ToUpper(strings.TrimSpace(line)) {
		case "HELLO":
			_, err = conn.Write([]byte("-ERR unknown command\r\n"))
		case "PING":
			_, err = conn.Write([]byte("+PONG\r\n"))
		}
		if err != nil && !errors.Is(err, net.ErrClosed) {
			return
		}
	}
}
