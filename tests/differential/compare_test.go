package differential

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"cloakroom/internal/testenv"
)

// patience is the maximum wait of a case for a response, and for its last log line. Some cases
// have none: a stream that is never resumed, a request that is rejected before the filter. What
// has arrived by then is compared.
const patience = 2 * time.Second

// The hosts' names; all are compared with the reference.
const (
	reference = "envoy " + testenv.Envoy140
	older     = "envoy " + testenv.Envoy136
	simulator = "hostsim"
)

func TestHostsAgree(t *testing.T) {
	wasm := buildProbe(t)
	ended := make(chan struct{})
	upstream := newUpstream(ended)
	t.Cleanup(func() { close(ended); _ = upstream.Config.Close() })
	hosts := map[string]host{
		reference: startEnvoy(t, testenv.Envoy140, wasm, upstream.URL, "FAIL_CLOSED"),
		older:     startEnvoy(t, testenv.Envoy136, wasm, upstream.URL, "FAIL_CLOSED"),
		simulator: startSim(t, wasm, upstream.URL),
	}
	cases := loadCases(t)
	var equal, named = map[string]int{}, map[string]int{}
	table := tableHead
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			seen := observeAll(t, hosts, c)
			cells := map[string]string{}
			for _, name := range []string{older, simulator} {
				switch same, reason := seen[name] == seen[reference], c.Differs[name]; {
				case same && reason != "":
					t.Errorf("%s no longer differs; remove its reason from cases.yaml", name)
				case same:
					equal[name]++
					cells[name] = "equal"
				case reason != "":
					named[name]++
					cells[name] = reason
				default:
					t.Errorf("%s differs from %s:\n%s", name, reference, firstDifference(seen[reference], seen[name]))
				}
			}
			table += fmt.Sprintf("| %s | `%s` | %s | %s |\n", c.Name, strings.ReplaceAll(c.did(), "|", "\\|"), cells[older], cells[simulator])
		})
	}
	checkTable(t, table)
	summarize(t, len(cases), equal, named)
}

// tries is how often a case is run before its hosts are reported to differ: network timing must
// not make them differ.
const tries = 3

// observeAll runs a case in every host, equally often in each, since the probe keeps counters.
func observeAll(t *testing.T, hosts map[string]host, c probeCase) map[string]string {
	seen := map[string]string{}
	for range tries {
		differs := false
		for name, h := range hosts {
			seen[name] = observe(t, h, c)
		}
		for name := range hosts {
			differs = differs || (c.Differs[name] == "" && seen[name] != seen[reference])
		}
		if !differs {
			break
		}
	}
	return seen
}

// observe runs a case in a host and returns all that is observable, with parts that differ from
// run to run masked.
func observe(t *testing.T, h host, c probeCase) string {
	t.Helper()
	before := len(h.lines())
	response := send(t, h.address(c.Chain), c)
	deadline := time.Now().Add(patience)
	for {
		lines := h.lines()[before:]
		if c.ended(lines) {
			return hide(response + "\n" + strings.Join(lines, "\n"))
		}
		if time.Now().After(deadline) {
			return hide(response + "\n(the last line never came)\n" + strings.Join(lines, "\n"))
		}
		time.Sleep(time.Millisecond)
	}
}

// ended reports whether lines include the case's last lines.
func (c *probeCase) ended(lines []string) bool {
	found := 0
	for _, line := range lines {
		line = strings.TrimPrefix(line, "[info] ")
		for _, name := range c.probes() {
			if strings.HasPrefix(line, strings.TrimLeft(strings.TrimSuffix(name, ".")+" "+c.Until, " ")) {
				found++
			}
		}
	}
	return found >= c.Ends
}

func send(t *testing.T, address string, c probeCase) string {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	method, target, _ := strings.Cut(c.Request, " ")
	lines := []string{method + " " + target + " HTTP/1.1", "host: h.test", "user-agent: t"}
	callbacks := make([]string, 0, len(c.Script))
	for callback := range c.Script {
		callbacks = append(callbacks, callback)
	}
	slices.Sort(callbacks)
	for _, callback := range callbacks {
		lines = append(lines, header(callback)+": "+c.Script[callback])
	}
	lines = append(lines, c.Headers...)
	body := c.Body + strings.Repeat("x", c.Size)
	switch {
	case c.Chunks != nil:
		lines = append(lines, "transfer-encoding: chunked")
	case body != "":
		lines = append(lines, fmt.Sprintf("content-length: %d", len(body)))
	}
	parts := append([]string{strings.Join(lines, "\r\n") + "\r\n\r\n" + body}, chunks(c.Chunks)...)
	for _, part := range parts {
		// The host may have responded, and closed the connection, before all is sent.
		_, _ = io.WriteString(conn, part)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		return "no response"
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		text = append(text, " <broken off>"...)
	}
	var headers []string
	for name, values := range response.Header {
		headers = append(headers, strings.ToLower(name)+": "+strings.Join(values, " | "))
	}
	slices.Sort(headers)
	return fmt.Sprintf("%d\n%s\n\n%.700s", response.StatusCode, strings.Join(headers, "\n"), text)
}

func chunks(list []string) []string {
	if list == nil {
		return nil
	}
	var out string
	for _, chunk := range list {
		out += fmt.Sprintf("%x\r\n%s\r\n", len(chunk), chunk)
	}
	return []string{out + "0\r\n\r\n"}
}

// hidden are the parts that differ between two runs in the same host.
var hidden = []struct {
	pattern *regexp.Regexp
	by      string
}{
	{regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22,}`), "UUID"},
	{regexp.MustCompile(`127\.0\.0\.1:\d+`), "ADDRESS"},
	{regexp.MustCompile(`(?i)(date|x-envoy-upstream-service-time|server)(: |[ ])[^\]\n]*`), "$1"},
}

func hide(text string) string {
	for _, h := range hidden {
		text = h.pattern.ReplaceAllString(text, h.by)
	}
	return sortPairs(text)
}

// pairsLine matches the probe's log of a whole header map. Header maps have no order between
// different names.
var pairsLine = regexp.MustCompile(`\[\[.*\]\]`)

func sortPairs(text string) string {
	return pairsLine.ReplaceAllStringFunc(text, func(list string) string {
		fields := strings.Split(strings.TrimSuffix(strings.TrimPrefix(list, "[["), "]]"), "] [")
		slices.SortStableFunc(fields, func(a, b string) int {
			nameA, _, _ := strings.Cut(a, " ")
			nameB, _, _ := strings.Cut(b, " ")
			return strings.Compare(nameA, nameB)
		})
		return "[[" + strings.Join(fields, "] [") + "]]"
	})
}

func firstDifference(want, got string) string {
	wants, gots := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range max(len(wants), len(gots)) {
		a, b := "(nothing)", "(nothing)"
		if i < len(wants) {
			a = wants[i]
		}
		if i < len(gots) {
			b = gots[i]
		}
		if a != b {
			return fmt.Sprintf("line %d\n  %s\n  %s", i+1, a, b)
		}
	}
	return "none"
}

// summarize writes the counts for `make test` to show.
func summarize(t *testing.T, all int, equal, named map[string]int) {
	line := fmt.Sprintf("differential: %d cases against %s", all, reference)
	for _, name := range []string{older, simulator} {
		line += fmt.Sprintf("; %s: %d equal, %d named differences", name, equal[name], named[name])
	}
	if err := testenv.Summarize("differential", line); err != nil {
		t.Fatal(err)
	}
	t.Log(line)
}
