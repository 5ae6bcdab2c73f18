package image

import (
	"bytes"
	"debug/buildinfo"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"

	cdx "github.com/CycloneDX/cyclonedx-go"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// listType is the media type of CycloneDX in JSON.
const listType types.MediaType = "application/vnd.cyclonedx+json"

// executable returns how a binary was built, and for which platform.
func executable(binary []byte) (*debug.BuildInfo, *v1.Platform, error) {
	info, err := buildinfo.Read(bytes.NewReader(binary))
	if err != nil {
		return nil, nil, fmt.Errorf("this is no binary of Go's: %w", err)
	}
	platform := &v1.Platform{OS: setting(info, "GOOS"), Architecture: setting(info, "GOARCH")}
	switch {
	case !strings.HasSuffix(info.Path, "/cmd/cloakroom"):
		return nil, nil, fmt.Errorf("this is %s, not cmd/cloakroom", info.Path)
	case platform.OS != "linux":
		return nil, nil, fmt.Errorf("it is for %s; build it with GOOS=linux", platform)
	case setting(info, "CGO_ENABLED") != "0":
		return nil, nil, errors.New("it needs a C library, which the image does not have; build it with CGO_ENABLED=0")
	}
	if platform.Architecture == "arm64" {
		platform.Variant = "v8"
	}
	return info, platform, nil
}

// infoStart and infoEnd enclose the list of modules in what Go links (cmd/go/internal/modload,
// infoStart and infoEnd). debug/buildinfo does not read WebAssembly.
const (
	infoStart = "\x30\x77\xaf\x0c\x92\x74\x08\x02\x41\xe1\xc1\x07\xe6\xd6\x18\xe6"
	infoEnd   = "\xf9\x32\x43\x31\x86\x18\x20\x72\x00\x82\x42\x10\x41\x16\xd8\xf2"
)

// wasmInfo returns how a module of WebAssembly was built.
func wasmInfo(wasm []byte) (*debug.BuildInfo, error) {
	_, rest, ok := bytes.Cut(wasm, []byte(infoStart))
	text, _, complete := bytes.Cut(rest, []byte(infoEnd))
	if !ok || !complete {
		return nil, errors.New("the module does not say what it was built of; build it by make build")
	}
	info, err := debug.ParseBuildInfo(string(text))
	if err != nil {
		return nil, err
	}
	if !strings.HasSuffix(info.Path, "/plugin") {
		return nil, fmt.Errorf("this is %s, not the filter", info.Path)
	}
	return info, nil
}

// modules returns the list of the Go modules in a binary as an image that refers to img.
func modules(img v1.Image, info *debug.BuildInfo) (v1.Image, error) {
	text, err := list(info)
	if err != nil {
		return nil, err
	}
	of, err := partial.Descriptor(img)
	if err != nil {
		return nil, err
	}
	attached := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), listType)
	attached, err = mutate.AppendLayers(attached, static.NewLayer(text, listType))
	if err != nil {
		return nil, err
	}
	return mutate.Subject(attached, v1.Descriptor{MediaType: of.MediaType, Size: of.Size, Digest: of.Digest}).(v1.Image), nil
}

// list returns the modules as CycloneDX, without a serial number and a time, so that it is the
// same for the same binary.
func list(info *debug.BuildInfo) ([]byte, error) {
	bom := cdx.NewBOM()
	main := component(&info.Main)
	main.Type, main.Name = cdx.ComponentTypeApplication, info.Path
	bom.Metadata = &cdx.Metadata{Component: &main}
	all := []cdx.Component{}
	for _, dep := range info.Deps {
		if dep.Replace != nil && dep.Replace.Version != "" && dep.Replace.Version != "(devel)" {
			dep = dep.Replace
		}
		all = append(all, component(dep))
	}
	if info.GoVersion != "" {
		all = append(all, component(&debug.Module{Path: "std", Version: info.GoVersion}))
	}
	bom.Components = &all
	var b bytes.Buffer
	err := cdx.NewBOMEncoder(&b, cdx.BOMFileFormatJSON).SetPretty(true).Encode(bom)
	return b.Bytes(), err
}

func component(m *debug.Module) cdx.Component {
	url := "pkg:golang/" + m.Path
	if m.Version != "" && m.Version != "(devel)" {
		url += "@" + m.Version
	}
	return cdx.Component{Type: cdx.ComponentTypeLibrary, BOMRef: url, Name: m.Path, Version: m.Version, PackageURL: url}
}
