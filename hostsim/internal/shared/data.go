// Package shared implements the data and the queues that all VMs of one vm_id share.
package shared

import (
	"sync"

	"cloakroom/hostsim/internal/abi"
)

// Data is the key-value store. As in Envoy, no key is ever deleted and the size is not
// bounded. It is safe for concurrent use.
type Data struct {
	mu   sync.Mutex
	data map[[2]string]Value // by vm_id and key
	cas  uint32
}

// Value is a stored value.
type Value struct {
	Value string
	CAS   uint32 // the number to compare in the next Set; never 0
}

// Get returns the value of a key, or NotFound.
func (s *Data) Get(vmID, key string) (Value, abi.Status) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, found := s.data[[2]string{vmID, key}]
	if !found {
		return v, abi.NotFound
	}
	return v, abi.OK
}

// Set stores a value. If the key exists and cas is not zero, cas must be that of the value;
// otherwise Set returns CASMismatch.
func (s *Data) Set(vmID, key, value string, cas uint32) abi.Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old, found := s.data[[2]string{vmID, key}]; found && cas != 0 && cas != old.CAS {
		return abi.CASMismatch
	}
	s.cas++
	if s.cas == 0 { // zero means "not compared"
		s.cas++
	}
	s.data[[2]string{vmID, key}] = Value{value, s.cas}
	return abi.OK
}

// Queues are the named queues of a host. They are safe for concurrent use.
type Queues struct {
	mu     sync.Mutex
	tokens map[[2]string]uint32 // by vm_id and name
	queues map[uint32]*queue
	last   uint32
}

type queue struct {
	entries []string
	notify  func(token uint32)
}

// NewData returns an empty store.
func NewData() *Data { return &Data{data: map[[2]string]Value{}} }

// NewQueues returns queues without any that is registered.
func NewQueues() *Queues {
	return &Queues{tokens: map[[2]string]uint32{}, queues: map[uint32]*queue{}}
}

// Register creates a queue, unless it exists, and returns its token. Each new entry then
// calls notify, in place of the function that was registered before. notify is called with
// the queues locked.
func (q *Queues) Register(vmID, name string, notify func(token uint32)) uint32 {
	q.mu.Lock()
	defer q.mu.Unlock()
	token, found := q.tokens[[2]string{vmID, name}]
	if !found {
		q.last++
		token = q.last
		q.tokens[[2]string{vmID, name}] = token
		q.queues[token] = &queue{}
	}
	q.queues[token].notify = notify
	return token
}

// Resolve returns the token of a queue, or NotFound.
func (q *Queues) Resolve(vmID, name string) (uint32, abi.Status) {
	q.mu.Lock()
	defer q.mu.Unlock()
	token, found := q.tokens[[2]string{vmID, name}]
	if !found {
		return 0, abi.NotFound
	}
	return token, abi.OK
}

// Dequeue removes and returns the oldest entry. It returns Empty if there is none.
func (q *Queues) Dequeue(token uint32) (string, abi.Status) {
	q.mu.Lock()
	defer q.mu.Unlock()
	queue := q.queues[token]
	if queue == nil {
		return "", abi.NotFound
	}
	if len(queue.entries) == 0 {
		return "", abi.Empty
	}
	value := queue.entries[0]
	queue.entries = queue.entries[1:]
	return value, abi.OK
}

// Enqueue appends an entry and reports it to the worker that registered the queue last.
func (q *Queues) Enqueue(token uint32, value string) abi.Status {
	q.mu.Lock()
	defer q.mu.Unlock()
	queue := q.queues[token]
	if queue == nil {
		return abi.NotFound
	}
	queue.entries = append(queue.entries, value)
	queue.notify(token)
	return abi.OK
}
