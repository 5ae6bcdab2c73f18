package service

import (
	"container/list"
	"context"
	"net"
	"net/http"
	"sync"
)

// Guard bounds how many connections a server keeps for clients that have not sent the token. Above
// the limit it closes the oldest. NewGuard makes one; its methods are to be set as the fields of
// an http.Server that have the same names.
type Guard struct {
	limit int

	mu              sync.Mutex
	unauthenticated *list.List // of net.Conn, the oldest first
	places          map[net.Conn]*list.Element
}

// NewGuard returns a Guard of up to limit connections.
func NewGuard(limit int) *Guard {
	return &Guard{limit: limit, unauthenticated: list.New(), places: map[net.Conn]*list.Element{}}
}

type connKey struct{}

// ConnContext adds the connection to its requests' context.
func (g *Guard) ConnContext(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

// ConnState counts connections that open and close.
func (g *Guard) ConnState(c net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		if oldest := g.add(c); oldest != nil {
			oldest.Close()
		}
	case http.StateClosed, http.StateHijacked:
		g.remove(c)
	}
}

// add counts a connection, and returns the one to close if the limit is exceeded, or nil.
func (g *Guard) add(c net.Conn) (oldest net.Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.places[c] = g.unauthenticated.PushBack(c)
	if g.unauthenticated.Len() <= g.limit {
		return nil
	}
	oldest = g.unauthenticated.Remove(g.unauthenticated.Front()).(net.Conn)
	delete(g.places, oldest)
	return oldest
}

func (g *Guard) remove(c net.Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if place, ok := g.places[c]; ok {
		g.unauthenticated.Remove(place)
		delete(g.places, c)
	}
}

// admit stops counting the connection of a request that has the token. On a nil Guard it does
// nothing.
func (g *Guard) admit(ctx context.Context) {
	if g == nil {
		return
	}
	if c, ok := ctx.Value(connKey{}).(net.Conn); ok {
		g.remove(c)
	}
}
