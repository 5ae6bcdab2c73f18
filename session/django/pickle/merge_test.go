package pickle

import (
	"errors"
	"strings"
	"testing"
	"time"

	"cloakroom/session"
)

// cart is an object of a class of the site's, and price a Decimal.
const (
	cart  = "csite\nCart\n)\x81}\x8c\x01nK\x01sb"
	price = "cdecimal\nDecimal\n\x8c\x031.5\x85R"
)

// TestEncode checks that a write keeps what it does not change, and fails to change what JSON
// cannot represent.
func TestEncode(t *testing.T) {
	for name, row := range map[string]struct {
		text, patch, data string // a nil patch removes nothing that is withheld
		want              string // what is shown afterwards; empty: session.ErrUnwritable
		withheld          string
	}{
		"another key":         {"\x80\x04}(\x8c\x01a" + cart + "\x8c\x01bK\x01u.", `{}`, `{"b":2}`, `{"b":2}`, `"a"`},
		"removed":             {"\x80\x04}(\x8c\x01a" + cart + "\x8c\x01b" + cart + "u.", `{"a":null}`, `{}`, `{}`, `"b"`},
		"withheld, replaced":  {"\x80\x04}\x8c\x01a" + cart + "s.", `{}`, `{"a":1}`, ``, ``},
		"a Decimal":           {"\x80\x04}\x8c\x01a" + price + "s.", `{}`, `{"a":"1.5","b":[]}`, `{"a":"1.5","b":[]}`, ``},
		"a Decimal, replaced": {"\x80\x04}\x8c\x01a" + price + "s.", `{}`, `{"a":"1.6"}`, ``, ``},
		"a Decimal, removed":  {"\x80\x04}\x8c\x01a" + price + "s.", `{}`, `{}`, `{}`, ``},
		"in a dict":           {"\x80\x04}\x8c\x01d}(\x8c\x01a" + price + "\x8c\x01bK\x01us.", `{}`, `{"d":{"a":"1.5","b":2}}`, `{"d":{"a":"1.5","b":2}}`, ``},
		"in a list, changed":  {"\x80\x04}\x8c\x01d](" + price + "K\x01es.", `{}`, `{"d":["1.5",2]}`, ``, ``},
		"the key of an int":   {"\x80\x04}\x8c\x01d}K\x07K\x01ss.", `{}`, `{"d":{"7":2}}`, `{"d":{"7":2}}`, ``},
		"a key of no name":    {"\x80\x04}(C\x01a" + cart + "\x8c\x01bK\x01u.", `{"":null}`, `{"b":2}`, `{"b":2}`, `""`},
		"two keys, one name":  {"\x80\x04}(K\x01K\x02\x8c\x011K\x03\x8c\x01bK\x01u.", `{}`, `{"b":2}`, `{"b":2}`, `"1" "1"`},
		"one of them, set":    {"\x80\x04}(K\x01K\x02\x8c\x011K\x03\x8c\x01bK\x01u.", `{}`, `{"1":2}`, ``, ``},
		"protocol 0":          {"(dVa\ncsite\nCart\n(tRsVb\nI1\ns.", `{}`, `{"b":2}`, `{"b":2}`, `"a"`},
		"the session in it":   {"\x80\x04}q\x00(\x8c\x01acsite\nCart\n)\x81}\x8c\x01sh\x00sb\x8c\x01bK\x01u.", `{}`, `{"b":2}`, `{"b":2}`, `"a"`},
		"set by a function":   {"\x80\x04}(\x8c\x01acsite\nCart\n)\x81q\x00csite\nset\nh\x00N\x86R0\x8c\x01bK\x01u.", `{}`, `{"b":2}`, ``, ``},
		"changed afterwards":  {"\x80\x04}(\x8c\x01a]q\x00\x8c\x01bh\x00K\x01au.", `{}`, `{"a":[1],"b":[1],"c":1}`, ``, ``},
		"nested too deep":     {"\x80\x04}\x8c\x01a" + strings.Repeat("]", 20_000) + strings.Repeat("a", 19_999) + "s.", `{}`, `{"b":1}`, ``, ``},
	} {
		_, origin, err := Decode(row.text)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		text, err := Encode([]byte(row.data), origin.Patched(row.patch))
		if row.want == "" {
			if !errors.Is(err, session.ErrUnwritable) {
				t.Errorf("%s: got %v, want %v", name, err, session.ErrUnwritable)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: got %v, want none", name, err)
			continue
		}
		data, kept, err := Decode(text)
		if err != nil || string(data) != row.want || keysOf(kept) != row.withheld {
			t.Errorf("%s: got %s without %s, %v; want %s without %s", name, data, keysOf(kept), err, row.want, row.withheld)
		}
	}
}

// TestProtocolStays checks that a write keeps the pickle's protocol, which selects how Python
// looks up classes.
func TestProtocolStays(t *testing.T) {
	for begin, text := range map[string]string{
		"}":         "(dVa\nc__builtin__\nset\n((ltRs.",
		"\x80\x02}": "\x80\x02}X\x01\x00\x00\x00ac__builtin__\nset\n]\x85Rs.",
		"\x80\x05}": "\x80\x05}\x8c\x01a\x96\x01\x00\x00\x00\x00\x00\x00\x00xs.",
	} {
		data, origin, err := Decode(text)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Encode(data, origin); err != nil || !strings.HasPrefix(got, begin) {
			t.Errorf("got %q, %v, want it to begin with %q", got, err, begin)
		}
	}
}

// TestVerify checks that a pickle that differs from the value to be written is not written.
func TestVerify(t *testing.T) {
	d, err := load("\x80\x04}q\x00(\x8c\x01a" + cart + "q\x01\x8c\x01b]h\x01a\x8c\x01ch\x00u.")
	if err != nil {
		t.Fatal(err)
	}
	for name, row := range map[string]struct {
		text string
		want bool
	}{
		"the same":         {"\x80\x04}q\x00(\x8c\x01a" + cart + "q\x01\x8c\x01b]h\x01a\x8c\x01ch\x00u.", true},
		"a copy":           {"\x80\x04}q\x00(\x8c\x01a" + cart + "q\x01\x8c\x01b]" + cart + "a\x8c\x01ch\x00u.", false},
		"another dict":     {"\x80\x04}q\x00(\x8c\x01a" + cart + "q\x01\x8c\x01b]h\x01a\x8c\x01c}u.", false},
		"another class":    {"\x80\x04}q\x00(\x8c\x01a" + strings.Replace(cart, "Cart", "Card", 1) + "q\x01\x8c\x01b]h\x01a\x8c\x01ch\x00u.", false},
		"another state":    {"\x80\x04}q\x00(\x8c\x01a" + strings.Replace(cart, "K\x01", "K\x02", 1) + "q\x01\x8c\x01b]h\x01a\x8c\x01ch\x00u.", false},
		"another key":      {"\x80\x04}q\x00(\x8c\x01A" + cart + "q\x01\x8c\x01b]h\x01a\x8c\x01ch\x00u.", false},
		"a tuple":          {"\x80\x04}q\x00(\x8c\x01a" + cart + "q\x01\x8c\x01bh\x01\x85\x8c\x01ch\x00u.", false},
		"made in its turn": {"\x80\x04}q\x00(\x8c\x01acsite\nCart\n)\x81q\x01\x8c\x01b]h\x01a\x8c\x01ch\x00u.", false},
	} {
		if err := verify(row.text, d, d); (err == nil) != row.want {
			t.Errorf("%s: got %v, want it accepted: %v", name, err, row.want)
		}
	}
}

// TestOrderCounts checks that code that is called with a value while it is filled sees the same
// parts of it again: here a list that a set is made from would be empty.
func TestOrderCounts(t *testing.T) {
	const node = "csite\nNode\n)\x81q\x00}\x8c\x01sccollections\ndeque\n]h\x00a\x85Rq\x01sb"
	_, origin, err := Decode("\x80\x04}\x8c\x01accollections\ndeque\n]" + node + "a\x85R0h\x01s.")
	if err != nil || len(origin.Withheld) != 1 {
		t.Fatalf("got %+v, %v", origin, err)
	}
	if text, err := Encode([]byte(`{"b":1}`), origin); !errors.Is(err, session.ErrUnwritable) {
		t.Errorf("got %q, %v, want %v", text, err, session.ErrUnwritable)
	}
}

func TestOffsetAt(t *testing.T) {
	for _, row := range []struct {
		zone, local string
		folded      bool
		want        int
	}{
		{"Europe/Berlin", "2026-07-01 12:00:00", false, 7200},
		{"Europe/Berlin", "2026-01-01 12:00:00", true, 3600},
		{"Europe/Berlin", "2026-10-25 02:30:00", false, 7200}, // occurs twice
		{"Europe/Berlin", "2026-10-25 02:30:00", true, 3600},
		{"Europe/Berlin", "2026-03-29 02:30:00", false, 3600}, // does not occur
		{"Europe/Berlin", "2026-03-29 02:30:00", true, 7200},
		{"Europe/Berlin", "1700-01-01 00:00:00", false, 3208},
		{"Europe/Dublin", "2026-12-01 00:00:00", false, 0},
		{"Pacific/Apia", "2011-12-30 12:00:00", false, -36000}, // a day that the zone skipped
		{"Pacific/Apia", "2011-12-30 12:00:00", true, 50400},
		{"America/New_York", "9999-07-01 00:00:00", false, -14400},
		{"UTC", "2026-01-01 00:00:00", true, 0},
	} {
		zone, err := location(row.zone)
		if err != nil {
			t.Fatal(err)
		}
		local, err := time.Parse(time.DateTime, row.local)
		if err != nil {
			t.Fatal(err)
		}
		if got := offsetAt(zone, local.Unix(), row.folded); got != row.want {
			t.Errorf("%s %s %v: got %d, want %d", row.zone, row.local, row.folded, got, row.want)
		}
	}
	for _, key := range []string{"", "Local", "../zoneinfo/UTC", "No/Where", strings.Repeat("a", 65)} {
		if zone, err := location(key); err == nil {
			t.Errorf("%q: got %v, want none", key, zone)
		}
	}
}
