package django_test

import (
	"errors"
	"testing"
	"time"

	"cloakroom/session"
	"cloakroom/session/django"
)

// signedCookies needs no store, but the driver requires one.
var signedCookies = engine{name: "signed_cookies", new: newSQLite, resolution: time.Second}

func cookieCodec(t *testing.T, secret string, fallbacks ...string) *django.CookieCodec {
	t.Helper()
	c, err := django.NewCookieCodec(django.Limit, secret, fallbacks...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// cookieVerdict compares the results of both sides for a cookie: Django returns an empty session
// for one that it rejects. Sessions here are never empty otherwise.
func cookieVerdict(t *testing.T, d *driver, what, value, secret string, fallbacks []string, age time.Duration) (accepted bool) {
	t.Helper()
	var theirs string
	d.call(t, "cookie_read", args{"value": value, "age": int(age / time.Second), "secret": secret, "fallbacks": fallbacks}, &theirs)
	ours, _, err := cookieCodec(t, secret, fallbacks...).Decode(value, age, time.Now())
	switch {
	case err == nil && string(ours) == theirs:
		return true
	case (errors.Is(err, session.ErrUnreadable) || errors.Is(err, django.ErrTooOld)) && theirs == "{}":
		return false
	}
	t.Errorf("%s: Django makes %.200s of it, we %.200s, error %v; the cookie is %.500q", what, theirs, ours, err, value)
	return err == nil
}

func TestSignedCookies(t *testing.T) {
	eachVersion(t, func(t *testing.T, v version) {
		t.Parallel()
		testSignedCookies(t, start(t, v, signedCookies))
	})
}

func testSignedCookies(t *testing.T, d *driver) {
	r := newRand(t)
	g := &generator{Rand: r}
	const age = 14 * 24 * time.Hour
	for range cases {
		text := object(r, g.size())
		var theirs string
		d.call(t, "cookie_write", args{"text": text}, &theirs)
		if !cookieVerdict(t, d, "Django's", theirs, secret, nil, age) {
			t.Errorf("Django's own cookie is refused")
		}
		written := time.Now().Add(-time.Duration(r.IntN(100)) * time.Hour)
		ours, err := cookieCodec(t, secret).Encode([]byte(text), written)
		if err != nil {
			t.Fatal(err)
		}
		if !cookieVerdict(t, d, "ours", ours, secret, nil, age) {
			t.Errorf("our cookie is refused")
		}
		old := r.IntN(200)
		if old != 100 && cookieVerdict(t, d, "aged", ours, secret, nil, time.Since(written)+time.Duration(old-100)*time.Hour) != (old > 100) {
			t.Errorf("a cookie whose age is %d hours from the limit: wrong verdict", old-100)
		}
		for name, mutate := range mutations {
			if r.IntN(8) == 0 && cookieVerdict(t, d, name, mutate(r, theirs), secret, nil, age) {
				t.Errorf("%s: a cookie that was tampered with is accepted", name)
			}
		}
		if cookieVerdict(t, d, "foreign", ours, "other", []string{"another"}, age) || !cookieVerdict(t, d, "fallback", theirs, "other", []string{"another", secret}, age) {
			t.Errorf("keys: wrong verdict")
		}
	}
	d.compare(2 * cases)
}

// TestBomb checks that a small cookie that decompresses to much is rejected before it does.
func TestBomb(t *testing.T) {
	signer, err := django.NewSigner(django.CookieSalt, secret)
	if err != nil {
		t.Fatal(err)
	}
	huge := make([]byte, 64<<20)
	bomb, err := signer.Dumps(huge, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	codec, err := django.NewCookieCodec(64<<10, secret)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := codec.Decode(bomb[:len(bomb)/2]+"!", time.Hour, time.Now()); err == nil {
		t.Error("half a bomb: no error")
	}
	got := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, _, err := codec.Decode(bomb, time.Hour, time.Now()); !errors.Is(err, session.ErrTooLarge) {
				b.Fatalf("a bomb: %v", err)
			}
		}
	})
	if got.AllocedBytesPerOp() > 1<<20 {
		t.Errorf("a bomb of %d bytes costs %d bytes of memory", len(bomb), got.AllocedBytesPerOp())
	}
}
