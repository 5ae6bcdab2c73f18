package hostsim

import (
	"encoding/binary"
	"errors"
	"io"
	"sync"
)

// messageQueue is what a guest sends by a gRPC callout, as the body of its request:
// an io.Reader that waits for more until it is closed.
type messageQueue struct {
	mu     sync.Mutex
	more   *sync.Cond
	bytes  []byte
	closed bool
}

func newMessageQueue() *messageQueue {
	q := &messageQueue{}
	q.more = sync.NewCond(&q.mu)
	return q
}

// put adds a message with its length before it.
func (q *messageQueue) put(message string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.bytes = append(q.bytes, 0) // not compressed
	q.bytes = binary.BigEndian.AppendUint32(q.bytes, uint32(len(message)))
	q.bytes = append(q.bytes, message...)
	q.more.Broadcast()
}

func (q *messageQueue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.more.Broadcast()
}

// Read implements io.Reader.
func (q *messageQueue) Read(p []byte) (int, error) {
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

// errMessages is an answer that is no gRPC.
var errMessages = errors.New("hostsim: the answer is no gRPC")

// readMessage reads one length-prefixed message (gRPC over HTTP/2, "Requests").
func readMessage(r io.Reader, limit int) (string, error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return "", err
	}
	size := binary.BigEndian.Uint32(head[1:])
	if head[0] != 0 || int64(size) > int64(limit) {
		return "", errMessages
	}
	b := make([]byte, size)
	if _, err := io.ReadFull(r, b); err != nil {
		return "", io.ErrUnexpectedEOF
	}
	return string(b), nil
}
