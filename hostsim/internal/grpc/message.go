// Package grpc implements the wire format of gRPC over HTTP/2, as far as callouts and local
// replies need it.
package grpc

import (
	"encoding/binary"
	"errors"
	"io"
	"sync"
)

// Queue holds the messages that a guest sends by a gRPC callout. It is the body of the
// request: an io.Reader that waits for messages until the queue is closed. It is safe for
// concurrent use.
type Queue struct {
	mu     sync.Mutex
	more   *sync.Cond
	bytes  []byte
	closed bool
}

// NewQueue returns an empty queue.
func NewQueue() *Queue {
	q := &Queue{}
	q.more = sync.NewCond(&q.mu)
	return q
}

// Put adds a message, with the prefix that holds its length.
func (q *Queue) Put(message string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.bytes = append(q.bytes, 0) // not compressed
	q.bytes = binary.BigEndian.AppendUint32(q.bytes, uint32(len(message)))
	q.bytes = append(q.bytes, message...)
	q.more.Broadcast()
}

// Close ends the body once all messages have been read.
func (q *Queue) Close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.more.Broadcast()
}

// Read implements io.Reader.
func (q *Queue) Read(p []byte) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.bytes) == 0 && !q.closed {
		q.more.Wait()
	}
	if len(q.bytes) == 0 {
		return 0, io.EOF
	}
	n := copy(p, q.bytes)
	q.bytes = q.bytes[n:]
	return n, nil
}

// errNotGRPC reports a message that is compressed or too large.
var errNotGRPC = errors.New("hostsim: the response is not gRPC")

// ReadMessage reads one length-prefixed message (gRPC over HTTP/2, "Requests") of at most
// limit bytes. It returns io.EOF at the end of the body.
func ReadMessage(r io.Reader, limit int) (string, error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return "", err
	}
	size := binary.BigEndian.Uint32(head[1:])
	if head[0] != 0 || int64(size) > int64(limit) {
		return "", errNotGRPC
	}
	b := make([]byte, size)
	if _, err := io.ReadFull(r, b); err != nil {
		return "", io.ErrUnexpectedEOF
	}
	return string(b), nil
}
