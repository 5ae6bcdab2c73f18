package tokens

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	jwtauthn "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/jwt_authn/v3"
	"github.com/goccy/go-yaml"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	security "istio.io/api/security/v1"

	"cloakroom/filter/config"
	"cloakroom/internal/testenv"
)

// TestGuide reads what docs/identity.md says of tokens into Envoy's, Istio's and the filter's types.
func TestGuide(t *testing.T) {
	root, err := testenv.Root()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, "docs", "identity.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## A token that services verify\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var documents []map[string]any
	for _, block := range strings.Split(section, "```yaml\n")[1:] {
		block, _, _ = strings.Cut(block, "```")
		for _, one := range strings.Split(block, "---\n") {
			var document map[string]any
			if err := yaml.Unmarshal([]byte(one), &document); err != nil {
				t.Fatalf("%v\n%s", err, one)
			}
			documents = append(documents, document)
		}
	}
	if len(documents) != 4 {
		t.Fatalf("%d documents, want the filter's configuration, jwt_authn's, and two manifests", len(documents))
	}
	filter := documents[0]
	filter["engine"] = map[string]any{"service": map[string]any{"cluster": "sessions"}}
	parsed, err := config.Parse(string(asJSON(t, filter)), func(string) (string, bool) { return "", false })
	if err != nil || len(parsed.Tokens()) != 1 {
		t.Errorf("the filter's configuration: %v", err)
	}
	authn := documents[1]["typed_config"].(map[string]any)
	delete(authn, "@type")
	envoys := &jwtauthn.JwtAuthentication{}
	read(t, authn, envoys)
	if err := envoys.ValidateAll(); err != nil {
		t.Error(err)
	}
	istios := &security.RequestAuthentication{}
	read(t, documents[2]["spec"].(map[string]any), istios)
	policy := &security.AuthorizationPolicy{}
	read(t, documents[3]["spec"].(map[string]any), policy)
	want := parsed.Named("orders").Identity.Token.Audience
	rule, provider := istios.JwtRules[0], envoys.Providers["cloakroom"]
	if rule.Audiences[0] != want || provider.Audiences[0] != want || rule.Issuer != provider.Issuer || policy.Rules[0].From[0].Source.RequestPrincipals[0] != rule.Issuer+"/*" {
		t.Errorf("audience and issuer differ: %v, %v, %v", rule, provider, policy)
	}
	if provider.GetRemoteJwks() == nil || !strings.HasSuffix(rule.JwksUri, "/.well-known/jwks.json") {
		t.Errorf("no key set: %v, %v", rule, provider)
	}
}

func asJSON(t *testing.T, value any) []byte {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// read reads a document strictly.
func read(t *testing.T, from map[string]any, into proto.Message) {
	t.Helper()
	if err := protojson.Unmarshal(asJSON(t, from), into); err != nil {
		t.Errorf("%T: %v", into, err)
	}
}
