package scenarios

import (
	"crypto"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"

	"cloakroom/service"
	"cloakroom/service/token"
)

const issuer = "https://site.test"

// openTokens makes a key for the scenario's tokens; nil where it has none.
func openTokens(t testing.TB, s *scenario, now func() time.Time) *service.Tokens {
	if !s.Tokens {
		return nil
	}
	folder := t.TempDir()
	if _, err := token.New(folder, token.ES256, now()); err != nil {
		t.Fatal(err)
	}
	keys, err := token.Open(folder, token.DefaultOverlap, now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return &service.Tokens{Issuer: issuer, Keys: keys}
}

// publicKey returns the key of a token, from the service's key set.
func (b *backend) publicKey(of *jwt.Token) (any, error) {
	w := httptest.NewRecorder()
	b.handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/.well-known/jwks.json", nil))
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(w.Body.Bytes(), &set); err != nil {
		return nil, err
	}
	id, _ := of.Header["kid"].(string)
	keys := set.Key(id)
	if len(keys) != 1 || !keys[0].IsPublic() {
		return nil, fmt.Errorf("the key set %s has not one public key %q", w.Body, id)
	}
	return keys[0].Key.(crypto.PublicKey), nil
}

// checkTokens verifies the tokens that an upstream got as another library does.
func checkTokens(b *backend, wanted map[string]map[string]any, header http.Header) (problems []string) {
	for name, claims := range wanted {
		text := header.Get(name)
		if len(header.Values(name)) != 1 {
			problems = append(problems, fmt.Sprintf("upstream header %s: %q, want one", name, header.Values(name)))
		}
		if bare, ok := strings.CutPrefix(text, "Bearer "); ok == (name == "authorization") {
			text = bare
		}
		got := jwt.MapClaims{}
		_, err := jwt.ParseWithClaims(text, got, b.publicKey,
			jwt.WithIssuer(issuer), jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithTimeFunc(b.now), jwt.WithLeeway(time.Second), jwt.WithValidMethods([]string{"ES256", "EdDSA"}))
		if err != nil {
			problems = append(problems, fmt.Sprintf("upstream header %s: %q: %v", name, header.Values(name), err))
			continue
		}
		for claim, value := range claims {
			if !reflect.DeepEqual(asJSON(got[claim]), asJSON(value)) {
				problems = append(problems, fmt.Sprintf("upstream header %s: the claim %s is %v, want %v", name, claim, got[claim], value))
			}
		}
	}
	return problems
}

// asJSON returns a value as JSON has it.
func asJSON(value any) (out any) {
	text, _ := json.Marshal(value)
	_ = json.Unmarshal(text, &out)
	return out
}
