package sites

import (
	"strings"
	"testing"

	"cloakroom/internal/testenv"
)

// TestUUIDs has a user model with a UUID, in a table and in columns with names of their own.
func TestUUIDs(t *testing.T) {
	t.Parallel()
	for _, version := range []string{testenv.Envoy140, testenv.Envoy136} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			s := start(t, config{settings: "uuids", version: version, accounts: []string{ann, "bob@example.com"}})
			s.strangers(t, "/", "/login/")
			other := s.visitor(t)
			other.login("/login/", "bob@example.com", password)
			s.ends(t,
				ending{"revoke", func(*visitor) { s.sessions(t, "revoke --user "+s.ids[0]) }},
				ending{"revoke, the id as the table has it", func(*visitor) { s.sessions(t, "revoke --user "+strings.ReplaceAll(s.ids[0], "-", "")) }},
				s.logout(), s.newPassword(t), s.inactive(t))
			if got := other.user(); got != s.ids[1] {
				t.Errorf("the other user: got %s, want %s", got, s.ids[1])
			}
		})
	}
}
