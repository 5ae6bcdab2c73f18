package memory_test

import (
	"testing"
	"time"

	"cloakroom/session"
	"cloakroom/session/sessiontest"
	"cloakroom/store/memory"
)

func TestConformance(t *testing.T) {
	sessiontest.Run(t, func(_ *testing.T, now func() time.Time) session.Store { return memory.New(now) })
}
