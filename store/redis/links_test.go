package redis_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"cloakroom/internal/testenv"
	"cloakroom/session"
	"cloakroom/session/sessiontest"
	"cloakroom/store/redis"
)

// certificate returns a self-signed certificate for localhost, and its PEM.
func certificate(t *testing.T) (tls.Certificate, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// wrap starts a TLS proxy before a server and returns its port.
func wrap(t *testing.T, address string, c tls.Certificate) string {
	t.Helper()
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{c}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", address)
			if err != nil {
				client.Close()
				continue
			}
			go func() { io.Copy(server, client); server.Close() }()
			go func() { io.Copy(client, server); client.Close() }()
		}
	}()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	return port
}

// TestTLS connects to a server whose certificate the machine trusts, and fails to connect to one
// that it does not trust.
func TestTLS(t *testing.T) {
	trusted, text := certificate(t)
	file := filepath.Join(t.TempDir(), "roots.pem")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SSL_CERT_FILE", file) // the process reads it once: here
	address := servers[testenv.Valkey].Address()
	url := strings.Replace(fresh(testenv.Valkey), "redis://", "rediss://", 1)
	at := func(port string) string { return strings.Replace(url, address, "localhost:"+port, 1) }
	s := open(t, at(wrap(t, address, trusted)), time.Now)
	key := sessiontest.Key(t)
	if err := s.Create(t.Context(), session.Session{Key: key, Data: []byte(`{"a":1}`), Expires: time.Now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	if v, err := s.Load(t.Context(), key); err != nil || string(v.Data) != `{"a":1}` {
		t.Errorf("got %s, %v", v.Data, err)
	}
	foreign, _ := certificate(t)
	if _, err := redis.Open(t.Context(), at(wrap(t, address, foreign)), redis.Options{Now: time.Now}); !errors.Is(err, session.ErrUnavailable) {
		t.Errorf("an untrusted certificate: %v", err)
	}
}

// TestSentinel checks that the store, and the index of users, follow a failover of the primary.
func TestSentinel(t *testing.T) {
	start := func(args ...string) *testenv.RedisServer {
		t.Helper()
		s, err := testenv.StartRedis(context.WithoutCancel(t.Context()), testenv.RedisConfig{Server: testenv.Valkey, Args: append(args, "--dir", t.TempDir())})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Stop() })
		return s
	}
	primary := start()
	replica := start("--replicaof", "127.0.0.1 "+strconv.Itoa(primary.Port))
	dir := t.TempDir()
	config := filepath.Join(dir, "sentinel.conf")
	text := fmt.Sprintf("sentinel monitor main 127.0.0.1 %d 1\nsentinel down-after-milliseconds main 300\nsentinel failover-timeout main 2000\n", primary.Port)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	path, err := testenv.RedisPath(testenv.Valkey)
	if err != nil {
		t.Fatal(err)
	}
	ports, err := testenv.FreePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	address := "127.0.0.1:" + strconv.Itoa(ports[0])
	sentinel, err := testenv.Start(context.WithoutCancel(t.Context()), testenv.Command{
		Name: "sentinel", Path: path, Dir: dir,
		Args:  []string{config, "--sentinel", "--bind", "127.0.0.1", "--port", strconv.Itoa(ports[0])},
		Ready: func(ctx context.Context) error { return hasReplica(ctx, address, replica.Port) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sentinel.Stop() })
	s := open(t, "redis://"+address+"/0?master_name=main", time.Now)
	key := sessiontest.Key(t)
	if err := s.Create(t.Context(), session.Session{Key: key, Data: []byte(`{"a":1}`), Expires: time.Now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	if err := waitFor(t.Context(), replica.Address()); err != nil {
		t.Fatal(err)
	}
	follow(t, s)
	eventually(t, "the index is complete", indexed(s))
	primary.Kill()
	outages := 0
	for end := time.Now().Add(20 * time.Second); ; outages++ {
		_, err := s.Update(t.Context(), key, func(v session.Session) (session.Session, error) {
			v.Data = []byte(`{"a":2}`)
			return v, nil
		})
		if err == nil {
			break
		}
		if !errors.Is(err, session.ErrUnavailable) || time.Now().After(end) {
			t.Fatalf("after %d outages: %v", outages, err)
		}
	}
	if outages == 0 {
		t.Error("the primary's end was not noticed")
	}
	eventually(t, "the index is complete again", indexed(s))
	of7 := add(t, s, "7", time.Hour)
	if keys, _, err := s.UserKeys(t.Context(), "7"); err != nil || !slices.Equal(keys, []string{of7}) {
		t.Errorf("got %v, %v, want %s", keys, err, of7)
	}
}

// hasReplica returns an error unless a sentinel has found the replica.
func hasReplica(ctx context.Context, address string, port int) error {
	c := goredis.NewSentinelClient(&goredis.Options{Addr: address})
	defer c.Close()
	replicas, err := c.Replicas(ctx, "main").Result()
	switch {
	case err != nil:
		return err
	case len(replicas) == 0 || replicas[0]["port"] != strconv.Itoa(port) || replicas[0]["master-link-status"] != "ok":
		return errors.New("the sentinel has not found the replica")
	}
	return nil
}

// waitFor waits until a replica holds the session.
func waitFor(ctx context.Context, address string) error {
	c := goredis.NewClient(&goredis.Options{Addr: address})
	defer c.Close()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); {
		if n, err := c.DBSize(ctx).Result(); err == nil && n > 0 {
			return nil
		}
	}
	return errors.New("the replica has no session")
}
