package service_test

import (
	"context"
	"io"
	"log/slog"
	"testing"
	"time"

	"cloakroom/service"
	"cloakroom/session"
	"cloakroom/session/sessiontest"
	"cloakroom/store/memory"
)

func TestSweep(t *testing.T) {
	var clock sessiontest.Clock
	s := memory.New(clock.Now)
	const dead = 1200 // more than two batches
	for range dead {
		if err := s.Create(t.Context(), session.Session{Key: sessiontest.Key(t), Data: []byte("{}"), Expires: clock.Now().Add(time.Second)}); err != nil {
			t.Fatal(err)
		}
	}
	live := sessiontest.Key(t)
	if err := s.Create(t.Context(), session.Session{Key: live, Data: []byte("{}"), Expires: clock.Now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	clock.Advance(time.Minute)
	read, write := io.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		service.Sweep(ctx, s, 10*time.Millisecond, slog.New(slog.NewTextHandler(write, nil)))
		close(ended)
	}()
	line := make([]byte, 200)
	n, err := read.Read(line) // the sweep logs when it is done
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	read.Close()
	<-ended
	if left, err := s.ClearExpired(t.Context(), dead); left != 0 || err != nil {
		t.Errorf("left %d of %d dead sessions, %v: %s", left, dead, err, line[:n])
	}
	if _, err := s.Load(t.Context(), live); err != nil {
		t.Errorf("the live session: %v", err)
	}
}
