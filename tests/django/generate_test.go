package django_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// newRand returns the random generator of a test. CLOAKROOM_SEED repeats a printed seed.
func newRand(t *testing.T) *rand.Rand {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("CLOAKROOM_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("CLOAKROOM_SEED: %v", err)
		}
	}
	t.Logf("CLOAKROOM_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// generator writes JSON in all forms that JSON allows, but numbers as Python writes them, since
// their text is kept.
type generator struct {
	*rand.Rand
	out strings.Builder
}

// object returns the text of an object of about size bytes.
func object(r *rand.Rand, size int) string {
	g := &generator{Rand: r}
	g.space()
	g.out.WriteString("{")
	for i := 0; i == 0 || g.out.Len() < size; i++ {
		if i > 0 {
			g.out.WriteString(",")
		}
		g.space()
		fmt.Fprintf(&g.out, `"%d`, i)
		g.characters(g.IntN(5))
		g.out.WriteString(`":`)
		g.value(5)
	}
	g.out.WriteString("}")
	g.space()
	return g.out.String()
}

func (g *generator) space() {
	for g.IntN(4) == 0 {
		g.out.WriteByte(" \t\r\n"[g.IntN(4)])
	}
}

var literals = []string{
	"null", "true", "false", "0", "-1", "1.5", "-0.0", "1e-07", "1e+22", "123456789012345678901234567890",
	"0.1", "2147483648", "-9223372036854775809", "1.7976931348623157e+308", "5e-324", "{}", "[]", `""`,
}

func (g *generator) value(depth int) {
	g.space()
	switch kind := g.IntN(8); {
	case kind < 3 || depth == 0 && kind > 4:
		g.out.WriteString(literals[g.IntN(len(literals))])
	case kind < 4:
		fmt.Fprint(&g.out, int64(g.Uint64()))
	case kind < 6:
		g.out.WriteByte('"')
		g.characters(g.IntN(40))
		g.out.WriteByte('"')
	case kind < 7:
		g.list("[", "]", func(int) { g.value(depth - 1) })
	default:
		g.list("{", "}", func(i int) {
			g.space()
			fmt.Fprintf(&g.out, `"k%d":`, i%3) // sometimes a repeated name
			g.value(depth - 1)
		})
	}
	g.space()
}

func (g *generator) list(begin, end string, item func(i int)) {
	g.out.WriteString(begin)
	for i := range g.IntN(5) {
		if i > 0 {
			g.out.WriteByte(',')
		}
		item(i)
	}
	g.space()
	g.out.WriteString(end)
}

// pieces are characters in several spellings; some are halves of surrogate pairs, which Python
// accepts alone.
var pieces = []string{
	"a", "Z", " ", "é", "ß", "☃", "😀", "\u007f", "\u2028", "\ufeff", "/", `\/`, `\"`, `\\`, `\b`, `\f`, `\n`, `\r`, `\t`,
	`\u0000`, `\u001f`, `\u0041`, `\u00E9`, `\u2603`, `\ud83d\ude00`, `\uD83D`, `\ude00`, `\uffff`, "<script>", "&amp;", "'", ":", ".", "=",
}

func (g *generator) characters(n int) {
	for range n {
		g.out.WriteString(pieces[g.IntN(len(pieces))])
	}
}

// size returns a size from nothing to 60 KiB, small ones more often.
func (g *generator) size() int {
	return g.IntN(60<<10) >> g.IntN(12)
}

// expiryCase returns the arguments of one set_expiry, or nil for none.
func (e engine) expiryCase(r *rand.Rand, now time.Time) any {
	at := now.Add(time.Duration(r.Int64N(int64(60 * 24 * time.Hour)))).Truncate(time.Microsecond)
	zone := time.FixedZone("", (r.IntN(27)-12)*1800)
	fraction := 0.25
	if e.whole {
		fraction = 0
	}
	return [...]any{
		nil,
		[]any{"seconds", 1 + r.IntN(1<<25)},
		[]any{"seconds", 0},
		[]any{"seconds", 60 + fraction},
		[]any{"datetime", at.In(zone).Format("2006-01-02T15:04:05.000000-07:00")},
		[]any{"datetime", at.In(zone).Truncate(time.Second).Format("2006-01-02T15:04:05-07:00")},
		[]any{"timedelta", 3600.5},
	}[r.IntN(7)]
}
