package session

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"
)

var now = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func TestValidKey(t *testing.T) {
	tests := map[string]bool{
		"0123456789abcdefghijklmnopqrstuv":  true,
		"0123456789abcdefghijklmnopqrstu":   false,
		"0123456789abcdefghijklmnopqrstuvw": false,
		"0123456789ABCDEFghijklmnopqrstuv":  false,
		"0123456789abcdefghijklmnopqrst-v":  false,
		"":                                  false,
	}
	for key, want := range tests {
		if got := ValidKey(key); got != want {
			t.Errorf("ValidKey(%q) = %v, want %v", key, got, want)
		}
	}
}

// TestNewKey reads every byte once: the 252 below the limit must result in each of the 36
// characters equally often, and the others must be drawn again.
func TestNewKey(t *testing.T) {
	var all [256]byte
	for i := range all {
		all[i] = byte(i)
	}
	key, err := NewKey(bytes.NewReader(all[:]))
	if err != nil || !ValidKey(key) {
		t.Errorf("NewKey = %q, %v", key, err)
	}
	if got := strings.Count(keyAlphabet, ""); got != 37 {
		t.Errorf("the alphabet has %d characters, want 36", got-1)
	}
	high := bytes.Repeat([]byte{255}, 64)
	key, err = NewKey(bytes.NewReader(append(high, make([]byte, 64)...)))
	if want := strings.Repeat("a", KeyLength); err != nil || key != want {
		t.Errorf("NewKey over bytes above the limit = %q, %v; want %q", key, err, want)
	}
	if _, err := NewKey(bytes.NewReader(nil)); err == nil {
		t.Error("NewKey without randomness returned a key")
	}
}

func TestExpiry(t *testing.T) {
	policy := Policy{Age: time.Hour}
	tests := []struct {
		raw     string
		at      time.Time
		browser bool
		life    time.Duration
	}{
		{``, now.Add(time.Hour), false, time.Hour},
		{`null`, now.Add(time.Hour), false, time.Hour},
		{`0`, now.Add(time.Hour), true, time.Hour},
		{`300`, now.Add(5 * time.Minute), false, 5 * time.Minute},
		{`1.5`, now.Add(1500 * time.Millisecond), false, 1500 * time.Millisecond},
		{`-5`, now, false, 0},
		{`"2026-12-01T10:00:00+01:00"`, time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC), false, 0},
		{`"2026-12-01T10:00:00.250000+00:00"`, time.Date(2026, 12, 1, 10, 0, 0, 250e6, time.UTC), false, 0},
		{`"2026-12-01 10:00:00+00:00"`, time.Date(2026, 12, 1, 10, 0, 0, 0, time.UTC), false, 0},
	}
	for _, tt := range tests {
		e, err := ParseExpiry(tt.raw)
		if err != nil {
			t.Errorf("ParseExpiry(%s): %v", tt.raw, err)
			continue
		}
		at, browser := policy.End(e, now)
		if !at.Equal(tt.at) || browser != tt.browser || policy.Life(e) != tt.life {
			t.Errorf("%s ends at %v, with the browser %v, life %v; want %v, %v, %v", tt.raw, at, browser, policy.Life(e), tt.at, tt.browser, tt.life)
		}
	}
	for _, raw := range []string{`"soon"`, `true`, `{}`, `[1]`, `"`, `NaN`, `""`} {
		if _, err := ParseExpiry(raw); !errors.Is(err, ErrExpiry) {
			t.Errorf("ParseExpiry(%s): %v, want ErrExpiry", raw, err)
		}
	}
	for _, raw := range []string{`"2026-12-01T10:00:00"`, `"2026-12-01 10:00:00.123456"`} {
		if _, err := ParseExpiry(raw); !errors.Is(err, ErrNoZone) {
			t.Errorf("ParseExpiry(%s): %v, want ErrNoZone", raw, err)
		}
	}
	if e, err := ParseExpiry("1e300"); err != nil || policy.Life(e) != maxAge {
		t.Errorf("an age beyond all bounds results in %v, %v; want %v", policy.Life(e), err, maxAge)
	}
}

func TestCookieLines(t *testing.T) {
	full := Cookie{Name: "s", Domain: "x.test", Path: "/a", Secure: true, HTTPOnly: true, SameSite: "Strict", Partitioned: true}
	bare := Cookie{Name: "s", Path: "/"}
	tests := []struct{ got, want string }{
		{full.Until("v", now.Add(90*time.Second), now), "s=v; Expires=Tue, 24 Nov 2026 12:01:30 GMT; Max-Age=90; Domain=x.test; Path=/a; Secure; HttpOnly; SameSite=Strict; Partitioned"},
		{bare.UntilBrowserClose("v"), "s=v; Path=/"},
		{bare.Delete(), "s=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Path=/"},
		{bare.Until("v", now, now), bare.Delete()},
	}
	for _, tt := range tests {
		if tt.got != tt.want {
			t.Errorf("got  %s\nwant %s", tt.got, tt.want)
		}
	}
}

// TestCookieValidate checks that no Set-Cookie line is written that browsers drop or that holds
// more than it should.
func TestCookieValidate(t *testing.T) {
	good := Cookie{Name: "sessionid", Path: "/", Secure: true, SameSite: "Lax"}
	tests := []struct {
		name   string
		mutate func(*Cookie)
		want   string // a part of the error; empty: none
	}{
		{"good", func(*Cookie) {}, ""},
		{"everything", func(c *Cookie) {
			*c = Cookie{"a", "x.test", "/a b", true, true, "None", true}
		}, ""},
		{"no SameSite", func(c *Cookie) { c.SameSite = "" }, ""},
		{"no name", func(c *Cookie) { c.Name = "" }, "name"},
		{"a name with a space", func(c *Cookie) { c.Name = "a b" }, "name"},
		{"a name with an equals sign", func(c *Cookie) { c.Name = "a=b" }, "name"},
		{"a name beyond ASCII", func(c *Cookie) { c.Name = "ä" }, "name"},
		{"a domain with an attribute", func(c *Cookie) { c.Domain = "x.test; Path=/a" }, "domain"},
		{"a domain with a space", func(c *Cookie) { c.Domain = "x. test" }, "domain"},
		{"no path", func(c *Cookie) { c.Path = "" }, "path"},
		{"a relative path", func(c *Cookie) { c.Path = "a" }, "path"},
		{"a path with a line break", func(c *Cookie) { c.Path = "/\r\nSet-Cookie: a=b" }, "path"},
		{"SameSite in lower case", func(c *Cookie) { c.SameSite = "lax" }, "same_site"},
		{"SameSite None without Secure", func(c *Cookie) { c.SameSite, c.Secure = "None", false }, "same_site"},
		{"Partitioned without Secure", func(c *Cookie) { c.Partitioned, c.Secure = true, false }, "partitioned"},
		{"__Host-", func(c *Cookie) { c.Name = "__Host-a" }, ""},
		{"__Host- without Secure", func(c *Cookie) { c.Name, c.Secure = "__Host-a", false }, "__Host-"},
		{"__host- with a domain", func(c *Cookie) { c.Name, c.Domain = "__host-a", "x.test" }, "__Host-"},
		{"__Host- with a path", func(c *Cookie) { c.Name, c.Path = "__Host-a", "/a" }, "__Host-"},
		{"__Secure- without Secure", func(c *Cookie) { c.Name, c.Secure = "__Secure-a", false }, "__Secure-"},
	}
	for _, tt := range tests {
		cookie := good
		tt.mutate(&cookie)
		err := cookie.Validate()
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: error %v, want %q in it", tt.name, err, tt.want)
		}
	}
}

// TestKeyHash compares the hash, which filters and session services must agree on, with values
// that were computed independently, and checks that similar keys have different hashes.
func TestKeyHash(t *testing.T) {
	for key, want := range map[string]uint64{
		"":                                   0,
		"a":                                  0x71717d2d36b6b11,
		"0123456789abcdefghijklmnopqrstuv":   0xcbdbbc57d7cc16ed,
		"0123456789abcdefghijklmnopqrstuv:x": 0x6efef2786c17fba6,
	} {
		if got := KeyHash(key); got != want {
			t.Errorf("KeyHash(%q) = %#x, want %#x", key, got, want)
		}
	}
	const alphabet = "abcdefghijklmnopqrstuvwxyz0123456789"
	seen, low := map[uint64]string{}, map[uint64]int{}
	key := []byte("0123456789abcdefghijklmnopqrstuv")
	for i := range key {
		for j := range key {
			for _, c := range alphabet {
				alike := string(key[:i]) + string(c) + string(key[i+1:])
				alike = alike[:j] + "z" + alike[j+1:]
				h := KeyHash(alike)
				if other, both := seen[h]; both && other != alike {
					t.Fatalf("%q and %q have the same hash", alike, other)
				}
				if _, again := seen[h]; !again {
					low[h%256]++
				}
				seen[h] = alike
			}
		}
	}
	for bucket, n := range low {
		if mean := len(seen) / 256; n > 2*mean || n < mean/2 {
			t.Errorf("%d of %d keys end in %02x", n, len(seen), bucket)
		}
	}
}
