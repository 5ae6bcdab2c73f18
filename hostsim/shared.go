package hostsim

import (
	"sync"

	"cloakroom/hostsim/internal/abi"
)

// sharedData is the key-value store that all VMs of one vm_id share. As in
// Envoy nothing deletes a key and nothing bounds the store.
type sharedData struct {
	mu   sync.Mutex
	data map[[2]string]sharedValue // by vm_id and key
	cas  uint32
}

type sharedValue struct {
	value string
	cas   uint32
}

func (s *sharedData) get(vmID, key string) (sharedValue, abi.Status) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, found := s.data[[2]string{vmID, key}]
	if !found {
		return v, abi.NotFound
	}
	return v, abi.OK
}

// set stores the value. The compare-and-swap number is checked only when it is
// not zero and the key exists.
func (s *sharedData) set(vmID, key, value string, cas uint32) abi.Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old, found := s.data[[2]string{vmID, key}]; found && cas != 0 && cas != old.cas {
		return abi.CASMismatch
	}
	s.cas++
	if s.cas == 0 { // zero means "not compared"
		s.cas++
	}
	s.data[[2]string{vmID, key}] = sharedValue{value, s.cas}
	return abi.OK
}

// sharedQueues are the named queues of a host. Only the worker that registered a
// queue last hears of new entries.
type sharedQueues struct {
	mu     sync.Mutex
	tokens map[[2]string]uint32 // vm_id and name
	queues map[uint32]*sharedQueue
	last   uint32
}

type sharedQueue struct {
	entries []string
	vm      *vm
	root    *guestContext
}

func (q *sharedQueues) register(vmID, name string, v *vm, root *guestContext) uint32 {
	q.mu.Lock()
	defer q.mu.Unlock()
	token, found := q.tokens[[2]string{vmID, name}]
	if !found {
		q.last++
		token = q.last
		q.tokens[[2]string{vmID, name}] = token
		q.queues[token] = &sharedQueue{}
	}
	q.queues[token].vm, q.queues[token].root = v, root
	return token
}

func (q *sharedQueues) resolve(vmID, name string) (uint32, abi.Status) {
	q.mu.Lock()
	defer q.mu.Unlock()
	token, found := q.tokens[[2]string{vmID, name}]
	if !found {
		return 0, abi.NotFound
	}
	return token, abi.OK
}

func (q *sharedQueues) dequeue(token uint32) (string, abi.Status) {
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

func (q *sharedQueues) enqueue(token uint32, value string) abi.Status {
	q.mu.Lock()
	defer q.mu.Unlock()
	queue := q.queues[token]
	if queue == nil {
		return abi.NotFound
	}
	queue.entries = append(queue.entries, value)
	if v, root := queue.vm, queue.root; v != nil {
		v.host.running.Go(func() { v.queueReady(root, token) })
	}
	return abi.OK
}
