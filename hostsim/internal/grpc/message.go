package grpc

import (
	"encoding/binary"
	"errors"
	"io"
	"sync"
)

// Queue is what a guest sends by a gRPC callout, as the body of its request:
// an io.Reader that waits for more until it is closed.
type Queue struct {
	mu     sync.Mutex
	more   *sync.Cond
	bytes  []byte
	closed bool
}

func NewQueue() *Queue {
	q := &Queue{}
	q.more = sync.NewCond(&q.mu)
	return q
}

// Put adds a message with its length before it.
func (q *Queue) Put(message string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.bytes = append(q.bytes, 0) // not compressed
	q.bytes = binary.BigEndian.AppendUint32(q.bytes, uint32(len(message)))
	q.bytes = append(q.bytes, message...)
	q.more.Broadcast()
}

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

// errNotGRPC is an answer that is no gRPC.
var errNotGRPC = errors.New("hostsim: the answer is no gRPC")

// ReadMessage reads one length-prefixed message (gRPC over HTTP/2, "Requests").
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
