package shared

import (
	"sync"

	"cloakroom/hostsim/internal/abi"
)

// Data is the key-value store that all VMs of one vm_id share. As in
// Envoy nothing deletes a key and nothing bounds the store.
type Data struct {
	mu   sync.Mutex
	data map[[2]string]Value // by vm_id and key
	cas  uint32
}

type Value struct {
	Value string
	CAS   uint32
}

func (s *Data) Get(vmID, key string) (Value, abi.Status) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, found := s.data[[2]string{vmID, key}]
	if !found {
		return v, abi.NotFound
	}
	return v, abi.OK
}

// Set stores the value. The compare-and-swap number is checked only when it is
// not zero and the key exists.
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

// Queues are the named queues of a host.
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

func NewData() *Data { return &Data{data: map[[2]string]Value{}} }

func NewQueues() *Queues {
	return &Queues{tokens: map[[2]string]uint32{}, queues: map[uint32]*queue{}}
}

// Register returns the token of a queue, which it makes if there is none. Each later
// entry calls notify, and no longer what was registered before; notify must return
// without calling the queues.
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

func (q *Queues) Resolve(vmID, name string) (uint32, abi.Status) {
	q.mu.Lock()
	defer q.mu.Unlock()
	token, found := q.tokens[[2]string{vmID, name}]
	if !found {
		return 0, abi.NotFound
	}
	return token, abi.OK
}

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
