package image

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Save writes the image and its lists into a new folder, an OCI image layout.
func (b *Built) Save(dir string) error {
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return fmt.Errorf("%s: the folder is not empty; name a new one", dir)
	}
	path, err := layout.Write(dir, mutate.IndexMediaType(empty.Index, types.OCIImageIndex))
	if err != nil {
		return err
	}
	if b.Index != nil {
		err = path.AppendIndex(b.Index)
	} else {
		err = path.AppendImage(b.Image)
	}
	for _, list := range b.Lists {
		if err == nil {
			err = path.AppendImage(list)
		}
	}
	return err
}

// Push writes the image and its lists to a registry, and returns the reference by digest. The
// credentials are those of the Docker configuration. plain permits HTTP without TLS.
func (b *Built) Push(ctx context.Context, ref string, plain bool) (string, error) {
	options := []name.Option{name.StrictValidation}
	if plain {
		options = append(options, name.Insecure)
	}
	to, err := name.ParseReference(ref, options...)
	if err != nil {
		return "", fmt.Errorf("%w; write REGISTRY/NAME:TAG, such as registry.example.com/cloakroom/filter:1.0", err)
	}
	pusher, err := remote.NewPusher(remote.WithAuthFromKeychain(authn.DefaultKeychain), remote.WithContext(ctx), remote.WithUserAgent("cloakroom"))
	if err != nil {
		return "", err
	}
	if err := b.push(ctx, pusher, to); err != nil {
		return "", fmt.Errorf("%s: %w%s", ref, err, advice(err, to.Context().RegistryStr()))
	}
	digest, err := b.Digest()
	return to.Context().Digest(digest.String()).String(), err
}

func (b *Built) push(ctx context.Context, pusher *remote.Pusher, to name.Reference) error {
	var image remote.Taggable = b.Image
	if b.Index != nil {
		image = b.Index
	}
	if err := pusher.Push(ctx, to, image); err != nil {
		return err
	}
	for _, list := range b.Lists {
		digest, err := list.Digest()
		if err != nil {
			return err
		}
		if err := pusher.Push(ctx, to.Context().Digest(digest.String()), list); err != nil {
			return fmt.Errorf("the list of modules: %w", err)
		}
	}
	return nil
}

// advice returns what to do about an error of a registry; "" for one that says it.
func advice(err error, registry string) string {
	var refused *transport.Error
	var certificate *tls.CertificateVerificationError
	var dial *net.OpError
	switch {
	case errors.As(err, &refused) && slices.Contains([]int{http.StatusUnauthorized, http.StatusForbidden}, refused.StatusCode):
		return fmt.Sprintf("; log in (docker login %s), or name the folder of a config.json that may push there in DOCKER_CONFIG", registry)
	case errors.As(err, &refused) && refused.StatusCode == http.StatusNotFound:
		return fmt.Sprintf("; create the repository at %s, or correct its name", registry)
	case errors.Is(err, http.ErrSchemeMismatch):
		return fmt.Sprintf("; %s speaks HTTP without TLS: --plain-http, on a network that you trust", registry)
	case errors.As(err, &certificate):
		return fmt.Sprintf("; write the name that the certificate of %s is for, and name the file with its authority in SSL_CERT_FILE", registry)
	case errors.As(err, &dial) && dial.Op == "dial":
		return fmt.Sprintf("; no registry answers at %s: correct the name and the port, and see that it runs", registry)
	}
	return ""
}
