package hostsim_test

import (
	"testing"
)

func TestProxied(t *testing.T) {
	h := newProbe(t, nil)
	resp := send(h, "POST", "/a?b=c", "hello", "probe-request-headers: get req :path; set req x-y 1")
	if got, want := text(t, resp), "POST /a?b=c hello"; got != want || resp.StatusCode != 200 {
		t.Errorf("got %d %q, want 200 %q", resp.StatusCode, got, want)
	}
	wantTranscript(t, h, "request-headers: get req :path -> /a?b=c", "request-headers: set req x-y 1")
}
