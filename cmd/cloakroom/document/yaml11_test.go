package document

import "testing"

func TestAsEnvoyReads(t *testing.T) {
	const text = "# ü off\nmode: off\na: 'off'\nb: [on, \"no\", NO, nO, yes]\non: 1\nc: {d: off, e: Off} # off\nü: y\nz: |\n  off\n"
	const want = "# ü off\nmode: false\na: 'off'\nb: [true, \"no\", false, nO, true]\non: 1\nc: {d: false, e: false} # off\nü: true\nz: |\n  off\n"
	if got := string(AsEnvoyReads([]byte(text))); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
