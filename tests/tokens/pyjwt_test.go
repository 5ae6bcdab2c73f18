package tokens

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"cloakroom/internal/testenv"
	"cloakroom/service/token"
)

// TestPyJWT holds that PyJWT accepts the tokens, by the key set, and refuses others.
func TestPyJWT(t *testing.T) {
	for _, algorithm := range []string{token.ES256, token.EdDSA} {
		s := serve(t, options{overlap: time.Hour}, algorithm)
		mint := func(audience string, ttl int) string {
			var answer struct{ Token string }
			body := fmt.Sprintf(`{"key":"%s","token":{"audience":"%s","ttl":%d}}`, s.key, audience, ttl)
			if err := json.Unmarshal([]byte(s.call("/v1/lookup", body)), &answer); err != nil || answer.Token == "" {
				t.Fatal(err, answer)
			}
			return answer.Token
		}
		good := mint("orders", 60)
		if got := s.python(good); got["sub"] != "7" || got["iss"] != issuer {
			t.Errorf("%s: PyJWT has %v", algorithm, got)
		}
		s.skew.Store(int64(-time.Hour))
		old := mint("orders", 60)
		s.skew.Store(0)
		for text, want := range map[string]string{
			forged(good): "InvalidSignatureError", mint("bills", 60): "InvalidAudienceError", old: "ExpiredSignatureError", unsigned(good): "PyJWKClientError",
		} {
			if got := s.python(text); got["error"] != want {
				t.Errorf("%s: PyJWT has %v of %s, want %s", algorithm, got, text, want)
			}
		}
	}
}

// python returns what PyJWT makes of a token.
func (s *site) python(text string) (out map[string]any) {
	s.Helper()
	python, err := testenv.Python()
	if err != nil {
		s.Fatal(err)
	}
	c := exec.CommandContext(s.Context(), python, "verify.py", s.service+"/.well-known/jwks.json")
	c.Stdin = strings.NewReader(text)
	var problems strings.Builder
	c.Stderr = &problems
	line, err := c.Output()
	if err != nil {
		s.Fatalf("verify.py: %v (a missing module: make setup)\n%s", err, &problems)
	}
	if err := json.Unmarshal(line, &out); err != nil {
		s.Fatalf("%s: %v", line, err)
	}
	return out
}
