package config

import (
	"strings"
)

// The namespaces in a route's filter_metadata that say which resource the route was made of, and
// what the resource's owner has written in an annotation.
const (
	istioNamespace        = "istio"
	envoyGatewayNamespace = "envoy-gateway"
)

// Annotation is the annotation of an HTTPRoute or a GRPCRoute that Envoy Gateway hands on in the
// metadata of its routes, with its prefix cut off.
const Annotation = "gateway.envoyproxy.io/" + Namespace

// Metadata is what the filter reads of a route's filter_metadata.
type Metadata struct {
	// Fields is the configuration under Namespace; nil: there is none.
	Fields map[string]any
	// Annotation is the text of the annotation; nil: there is none. It is a string, or in error.
	Annotation any
	// Kind, Owner and Name are those of the Kubernetes resource that the control plane made the
	// route of, and Section is its rule's name, if that is in the metadata. Kind is empty for a
	// VirtualService, Name where the resource is not known for sure.
	Kind, Owner, Name, Section string
}

// ReadMetadata returns what the filter reads of a route's filter_metadata, a tree like
// rawjson.Decode's.
func ReadMetadata(filterMetadata map[string]any) Metadata {
	m := Metadata{}
	m.Fields, _ = filterMetadata[Namespace].(map[string]any)
	if istio, ok := filterMetadata[istioNamespace].(map[string]any); ok {
		m.readIstio(istio)
	}
	if gateway, ok := filterMetadata[envoyGatewayNamespace].(map[string]any); ok {
		m.readEnvoyGateway(gateway)
	}
	return m
}

// readIstio reads the VirtualService that Istio made a route of:
// /apis/networking.istio.io/v1/namespaces/NAMESPACE/virtual-service/NAME.
//
// Of the Gateway API's routes Istio makes VirtualServices, one for all the routes of a host, with
// the namespace of the oldest. They have a ~ in their names, and no owner that is known for sure.
func (m *Metadata) readIstio(fields map[string]any) {
	path, _ := fields["config"].(string)
	parts := strings.Split(path, "/")
	if len(parts) != 8 || parts[1] != "apis" || parts[2] != "networking.istio.io" || parts[4] != "namespaces" || parts[6] != "virtual-service" || strings.Contains(path, "~") {
		return
	}
	m.Owner, m.Name = parts[5], parts[7]
}

// readEnvoyGateway reads the resource that Envoy Gateway made a route of.
func (m *Metadata) readEnvoyGateway(fields map[string]any) {
	list, _ := fields["resources"].([]any)
	if len(list) == 0 {
		return
	}
	resource, _ := list[0].(map[string]any)
	if m.Kind, _ = resource["kind"].(string); m.Kind != "HTTPRoute" && m.Kind != "GRPCRoute" {
		return
	}
	m.Owner, _ = resource["namespace"].(string)
	m.Name, _ = resource["name"].(string)
	m.Section, _ = resource["sectionName"].(string)
	if annotations, ok := resource["annotations"].(map[string]any); ok {
		m.Annotation = annotations[Namespace]
	}
}

// ResourceName returns the name of a route of Envoy's with the resource that it was made of:
// NAMESPACE/VIRTUALSERVICE/ROUTE, or KIND/NAMESPACE/NAME/RULE; "" where that is not known for sure.
// Only the last part, the name of a route or a rule, is the resource's owner's to choose freely.
func (m Metadata) ResourceName(routeName string) string {
	for _, part := range []string{m.Owner, m.Name} {
		if part == "" || strings.Contains(part, "/") {
			return ""
		}
	}
	if m.Kind == "" {
		return m.Owner + "/" + m.Name + "/" + routeName
	}
	return m.Kind + "/" + m.Owner + "/" + m.Name + "/" + m.Section
}

// isResourceKey reports whether a key under routes has the form of a ResourceName.
func isResourceKey(key string) bool {
	parts := strings.Split(key, "/")
	want := 3
	if parts[0] == "HTTPRoute" || parts[0] == "GRPCRoute" {
		want = 4
	}
	return key == "*" || len(parts) >= want || len(parts) > 1 && strings.HasSuffix(key, "*")
}
