// Package image builds the container images of the filter and of the session service, without
// Docker: the same input makes the same bytes.
package image

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Built is an image, or an index of images for several platforms, with the lists of what is in them.
type Built struct {
	// Image is the only image; nil if there is an index.
	Image v1.Image
	// Index holds an image for each platform; nil if there is one image.
	Index v1.ImageIndex
	// Lists are the lists of modules (CycloneDX), each an image that refers to its subject.
	Lists []v1.Image
}

// Digest returns the digest of the manifest: what the control planes call sha256.
func (b *Built) Digest() (v1.Hash, error) {
	if b.Index != nil {
		return b.Index.Digest()
	}
	return b.Image.Digest()
}

// Filter returns the image of the filter: one layer with plugin.wasm in it, as Istio and Envoy
// Gateway both pull it.
func Filter(wasm []byte) (*Built, error) {
	if !bytes.HasPrefix(wasm, []byte("\x00asm")) {
		return nil, fmt.Errorf("this is no WebAssembly module")
	}
	info, err := wasmInfo(wasm)
	if err != nil {
		return nil, err
	}
	img, err := assemble(info, []file{{"plugin.wasm", 0o644, wasm}}, &v1.ConfigFile{
		// What the runtimes expect of an image; nothing is run of it.
		Architecture: "wasm", OS: "wasip1",
		Config: v1.Config{Labels: labels(info, "cloakroom filter", "Django's sessions at the proxy: the proxy-wasm filter")},
	})
	if err != nil {
		return nil, err
	}
	list, err := modules(img, info)
	return &Built{Image: img, Lists: []v1.Image{list}}, err
}

// user is the user of the service: "nonroot" of distroless images.
const user = "65532"

// Service returns the image of the session service, for the platform of each binary: static
// executables of cmd/cloakroom for Linux.
func Service(binaries ...[]byte) (*Built, error) {
	b := &Built{Index: mutate.IndexMediaType(empty.Index, types.OCIImageIndex)}
	seen := map[string]bool{}
	for _, binary := range binaries {
		info, platform, err := executable(binary)
		if err != nil {
			return nil, err
		}
		if seen[platform.String()] {
			return nil, fmt.Errorf("two binaries are for %s", platform)
		}
		seen[platform.String()] = true
		img, err := assemble(info, []file{
			{"etc/group", 0o644, []byte("root:x:0:\nnonroot:x:" + user + ":\n")},
			{"etc/passwd", 0o644, []byte("root:x:0:0:root:/:/sbin/nologin\nnonroot:x:" + user + ":" + user + ":nonroot:/:/sbin/nologin\n")},
			{"tmp/", 0o1777, nil},
			{"usr/bin/cloakroom", 0o755, binary},
		}, &v1.ConfigFile{
			Architecture: platform.Architecture, OS: platform.OS, Variant: platform.Variant,
			Config: v1.Config{
				User:         user + ":" + user,
				WorkingDir:   "/",
				Entrypoint:   []string{"/usr/bin/cloakroom"},
				Cmd:          []string{"serve", "--listen", ":8081"},
				ExposedPorts: map[string]struct{}{"8081/tcp": {}},
				StopSignal:   "SIGTERM",
				Labels:       labels(info, "cloakroom", "Django's sessions at the proxy: the session service and the command line"),
			},
		})
		if err != nil {
			return nil, err
		}
		list, err := modules(img, info)
		if err != nil {
			return nil, err
		}
		b.Index = mutate.AppendManifests(b.Index, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: platform}})
		b.Lists = append(b.Lists, list)
	}
	if len(seen) == 0 {
		return nil, fmt.Errorf("no binary is named")
	}
	return b, nil
}

// labels are the annotations of the OCI's image specification.
func labels(info *debug.BuildInfo, title, description string) map[string]string {
	all := map[string]string{
		"org.opencontainers.image.title":       title,
		"org.opencontainers.image.description": description,
		"org.opencontainers.image.licenses":    "Apache-2.0",
		"org.opencontainers.image.created":     created(info).Format(time.RFC3339),
	}
	if version := info.Main.Version; version != "" && version != "(devel)" {
		all["org.opencontainers.image.version"] = version
	}
	if revision := setting(info, "vcs.revision"); revision != "" {
		all["org.opencontainers.image.revision"] = revision
	}
	return all
}

// created returns the time of the commit that the binary was built from, so that it does not
// change between builds; the epoch if the binary does not name it.
func created(info *debug.BuildInfo) time.Time {
	at, err := time.Parse(time.RFC3339, setting(info, "vcs.time"))
	if err != nil {
		return time.Unix(0, 0).UTC()
	}
	return at.UTC()
}

func setting(info *debug.BuildInfo, key string) string {
	i := slices.IndexFunc(info.Settings, func(s debug.BuildSetting) bool { return s.Key == key })
	if i < 0 {
		return ""
	}
	return info.Settings[i].Value
}

// file is a file of a layer, or a folder if its path ends with a slash.
type file struct {
	path    string
	mode    int64
	content []byte
}

// assemble returns an image of one layer. Its labels are annotations of the manifest, too.
func assemble(info *debug.BuildInfo, files []file, config *v1.ConfigFile) (v1.Image, error) {
	at := created(info)
	text, err := archive(files, at)
	if err != nil {
		return nil, err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(text)), nil },
		tarball.WithMediaType(types.OCILayer), tarball.WithCompressionLevel(gzip.BestCompression))
	if err != nil {
		return nil, err
	}
	base := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	config.Created, config.RootFS = v1.Time{Time: at}, v1.RootFS{Type: "layers", DiffIDs: []v1.Hash{}}
	img, err := mutate.ConfigFile(base, config)
	if err != nil {
		return nil, err
	}
	img, err = mutate.Append(img, mutate.Addendum{Layer: layer, History: v1.History{Created: v1.Time{Time: at}, CreatedBy: "cloakroom image"}})
	if err != nil {
		return nil, err
	}
	return mutate.Annotations(img, config.Config.Labels).(v1.Image), nil
}

// archive returns the files as a tar with nothing of this machine in it.
func archive(files []file, at time.Time) ([]byte, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range files {
		kind := byte(tar.TypeReg)
		if f.path[len(f.path)-1] == '/' {
			kind = tar.TypeDir
		}
		h := &tar.Header{Typeflag: kind, Name: f.path, Mode: f.mode, Size: int64(len(f.content)), ModTime: at, Format: tar.FormatUSTAR}
		if err := w.WriteHeader(h); err != nil {
			return nil, err
		}
		if _, err := w.Write(f.content); err != nil {
			return nil, err
		}
	}
	return b.Bytes(), w.Close()
}
