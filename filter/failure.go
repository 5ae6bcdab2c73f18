package filter

import "strings"

// The Status of an Answer that did not come from the session service.
const (
	// NotSent is that of a callout that Envoy refused to send, NoCluster of one to a cluster that
	// Envoy does not have.
	NotSent   = "not sent"
	NoCluster = "no cluster"
	// Unreadable is that of a call whose batch was answered in no form that is known.
	Unreadable = "unreadable"
)

// noCluster is the reason of NoCluster.
const noCluster = "it is not in Envoy's configuration, whose clusters are under /clusters of its admin interface; in Istio, a gateway that is sent the clusters of its routes alone " +
	"is sent this one by an EnvoyFilter with the annotation envoyfilter.istio.io/referenced-services"

// maxReason bounds how much of a response that is none of the service's answers is logged.
const maxReason = 200

// Reason returns, for the operator, why an answer is none.
func Reason(a Answer) string {
	switch a.Status {
	case NotSent:
		return "Envoy could not send the call"
	case NoCluster:
		return noCluster
	case "":
		return "the connection was lost before the response"
	case "200", Unreadable:
		return "the response is not one of cloakroom serve's"
	case "401", "403":
		return "it refuses the token with " + a.Status + ": is the filter's token the CLOAKROOM_TOKEN of cloakroom serve?"
	case "504":
		return "there was no response within engine.service.timeout"
	}
	reason := "it answers " + strings.ToValidUTF8(a.Status, "?")
	if text := loggable(a.Body); text != "" {
		reason += ": " + text
	}
	return reason
}

// loggable returns the beginning of a text as one line.
func loggable(text string) string {
	return strings.TrimSpace(strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f {
			return ' '
		}
		return c
	}, strings.ToValidUTF8(text[:min(len(text), maxReason)], "")))
}

// isUnsent reports whether a call has certainly done nothing: it was not sent, or was refused
// before anything was written. Every other failure may be that of the answer alone.
func isUnsent(status string) bool {
	switch status {
	case NotSent, NoCluster, "401", "403", "404", "405":
		return true
	}
	return false
}

// notAnswered returns a NoAnswer with its reason.
func notAnswered(a Answer) *LookupResult {
	rejected := a.Status == "400" || a.Status == "413" || a.Status == "422" // the service's, of a call that it cannot do
	return &LookupResult{reason: Reason(a), rejected: rejected, unusable: a.Status == "413" || a.Status == "422", unsent: isUnsent(a.Status)}
}
