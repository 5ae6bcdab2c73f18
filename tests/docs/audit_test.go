package docs

import (
	"slices"
	"strings"
	"testing"

	"cloakroom/service/audit"
)

// TestAuditEvents holds that docs/operations.md lists the events of the audit log, with their
// reasons and limits.
func TestAuditEvents(t *testing.T) {
	_, rest, _ := strings.Cut(read(t, root(t), "docs/operations.md"), "<!-- audit: tests/docs -->\n")
	table, _, ok := strings.Cut(rest, "<!-- /audit -->")
	if !ok {
		t.Fatal("docs/operations.md has no table of events")
	}
	listed := map[audit.Event][]string{}
	for line := range strings.Lines(table) {
		if cells := strings.Split(line, "|"); strings.HasPrefix(line, "| `") && len(cells) == 6 {
			listed[audit.Event(strings.Trim(cells[1], " `"))] = cells
		}
	}
	for _, e := range audit.Events() {
		cells, ok := listed[e]
		if !ok {
			t.Errorf("%s is not listed", e)
			continue
		}
		delete(listed, e)
		var reasons []audit.Reason
		for reason := range strings.SplitSeq(cells[2], ",") {
			if reason = strings.Trim(reason, " `"); reason != "" {
				reasons = append(reasons, audit.Reason(reason))
			}
		}
		want := e.Reasons()
		slices.Sort(reasons)
		slices.Sort(want)
		if !slices.Equal(reasons, want) {
			t.Errorf("%s is listed with the reasons %q, has %q", e, reasons, want)
		}
		if limited := strings.Contains(cells[4], "100/s"); limited != e.Capped() {
			t.Errorf("%s is listed with the limit %q, capped: %v", e, cells[4], e.Capped())
		}
	}
	for e := range listed {
		t.Errorf("%s is listed, and there is no such event", e)
	}
}
