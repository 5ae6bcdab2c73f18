package pickle

import (
	"bytes"
	"encoding/hex"
	"errors"
	"runtime"
	"strings"
	"testing"

	"cloakroom/session"
	"cloakroom/session/django"
)

// fromPython are pickles of dicts as Python 3.11 writes them, in protocols 2,
// 4 and 5, and what JSON shows of them.
var fromPython = []struct{ protocol, pickle, want string }{
	{"protocol 2", "80027d71002e", `{}`},
	{"protocol 2", "80027d710058010000006171015d7102284b014affffffff4bff4d00014a000001004affffff7f4a000000808a0500000080008a090000000000000000c0473fe0000000000000474480f0cf064dd5924e888965732e", `{"a":[1,-1,255,256,65536,2147483647,-2147483648,2147483648,-1180591620717411303424,0.5,1e+22,null,true,false]}`},
	{"protocol 2", "80027d71002858010000007371015d71022858000000007103580d000000c3a9e29883f09f988000225c0a71045803000000eda0bd7105582c01000078787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787871066568067d7107752e", `{"s":["","\u00e9\u2603\ud83d\ude00\u0000\"\\\n","\ud83d","xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"],"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx":{}}`},
	{"protocol 2", "80027d710028580100000074710128294b018571024b014b028671034b014b024b03877104284b014b024b034b0474710574710658010000006c71075d71085d71094b016161752e", `{"t":[[],[1],[1,2],[1,2,3],[1,2,3,4]],"l":[[1]]}`},
	{"protocol 2", "80027d7100284b074b014740040000000000004b024e4b03884b04752e", `{"7":1,"2.5":2,"null":3,"true":4}`},
	{"protocol 2", "80027d710058030000006e616e71015d710228477ff8000000000000477ff000000000000047fff000000000000065732e", `{"nan":[null,null,null]}`},
	{"protocol 2", "80027d71002858010000006171015d71024b016158010000006271036802580100000063710468026802867105752e", `{"a":[1],"b":[1],"c":[[1],[1]]}`},
	{"protocol 4", "80047d942e", `{}`},
	{"protocol 4", "8004954e000000000000007d948c0161945d94284b014affffffff4bff4d00014a000001004affffff7f4a000000808a0500000080008a090000000000000000c0473fe0000000000000474480f0cf064dd5924e888965732e", `{"a":[1,-1,255,256,65536,2147483647,-2147483648,2147483648,-1180591620717411303424,0.5,1e+22,null,true,false]}`},
	{"protocol 4", "8004955c010000000000007d94288c0173945d94288c00948c0dc3a9e29883f09f988000225c0a948c03eda0bd94582c010000787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878946568067d94752e", `{"s":["","\u00e9\u2603\ud83d\ude00\u0000\"\\\n","\ud83d","xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"],"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx":{}}`},
	{"protocol 4", "80049536000000000000007d94288c01749428294b0185944b014b0286944b014b024b038794284b014b024b034b04749474948c016c945d945d944b016161752e", `{"t":[[],[1],[1,2],[1,2,3],[1,2,3,4]],"l":[[1]]}`},
	{"protocol 4", "8004951a000000000000007d94284b074b014740040000000000004b024e4b03884b04752e", `{"7":1,"2.5":2,"null":3,"true":4}`},
	{"protocol 4", "80049529000000000000007d948c036e616e945d9428477ff8000000000000477ff000000000000047fff000000000000065732e", `{"nan":[null,null,null]}`},
	{"protocol 4", "8004951e000000000000007d94288c0161945d944b01618c01629468028c016394680268028694752e", `{"a":[1],"b":[1],"c":[[1],[1]]}`},
	{"protocol 4", "80049546010000000000007d948c0162945d9428430094430200ff94422c0100007878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878789465732e", `{"b":["","AP8=","eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4"]}`},
	{"protocol 4", "800495a0000000000000007d948c0164945d94288c086461746574696d65948c086461746574696d65949394430a07eb010203040500000094859452946805430a07eb01020304050000069468038c0874696d657a6f6e6594939468038c0974696d6564656c74619493944b004b004b008794529485945294869452946805430a00018c1f00000000000094680b680d4affffffff4a482001004b0087945294859452948694529465732e", `{"d":["2027-01-02T03:04:05","2027-01-02T03:04:05.000006+00:00","0001-12-31T00:00:00-03:30"]}`},
	{"protocol 5", "80057d942e", `{}`},
	{"protocol 5", "8005954e000000000000007d948c0161945d94284b014affffffff4bff4d00014a000001004affffff7f4a000000808a0500000080008a090000000000000000c0473fe0000000000000474480f0cf064dd5924e888965732e", `{"a":[1,-1,255,256,65536,2147483647,-2147483648,2147483648,-1180591620717411303424,0.5,1e+22,null,true,false]}`},
	{"protocol 5", "8005955c010000000000007d94288c0173945d94288c00948c0dc3a9e29883f09f988000225c0a948c03eda0bd94582c010000787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878946568067d94752e", `{"s":["","\u00e9\u2603\ud83d\ude00\u0000\"\\\n","\ud83d","xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"],"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx":{}}`},
	{"protocol 5", "80059536000000000000007d94288c01749428294b0185944b014b0286944b014b024b038794284b014b024b034b04749474948c016c945d945d944b016161752e", `{"t":[[],[1],[1,2],[1,2,3],[1,2,3,4]],"l":[[1]]}`},
	{"protocol 5", "8005951a000000000000007d94284b074b014740040000000000004b024e4b03884b04752e", `{"7":1,"2.5":2,"null":3,"true":4}`},
	{"protocol 5", "80059529000000000000007d948c036e616e945d9428477ff8000000000000477ff000000000000047fff000000000000065732e", `{"nan":[null,null,null]}`},
	{"protocol 5", "8005951e000000000000007d94288c0161945d944b01618c01629468028c016394680268028694752e", `{"a":[1],"b":[1],"c":[[1],[1]]}`},
	{"protocol 5", "80059546010000000000007d948c0162945d9428430094430200ff94422c0100007878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878789465732e", `{"b":["","AP8=","eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4"]}`},
	{"protocol 5", "800595a0000000000000007d948c0164945d94288c086461746574696d65948c086461746574696d65949394430a07eb010203040500000094859452946805430a07eb01020304050000069468038c0874696d657a6f6e6594939468038c0974696d6564656c74619493944b004b004b008794529485945294869452946805430a00018c1f00000000000094680b680d4affffffff4a482001004b0087945294859452948694529465732e", `{"d":["2027-01-02T03:04:05","2027-01-02T03:04:05.000006+00:00","0001-12-31T00:00:00-03:30"]}`},
}

func TestLoad(t *testing.T) {
	for _, row := range fromPython {
		text, err := hex.DecodeString(row.pickle)
		if err != nil {
			t.Fatal(err)
		}
		d, err := Load(text)
		if err != nil {
			t.Errorf("%s, %s: got %v, want none", row.protocol, row.want, err)
			continue
		}
		if got, err := d.JSON(); err != nil || string(got) != row.want {
			t.Errorf("%s: got %s, %v, want %s", row.protocol, got, err, row.want)
		}
		again, err := Load(d.Dump())
		if err != nil {
			t.Fatalf("%s: cannot load what was dumped: %v", row.want, err)
		}
		if got, err := again.JSON(); err != nil || string(got) != row.want {
			t.Errorf("dumped and loaded: got %s, %v, want %s", got, err, row.want)
		}
	}
}

func TestLoadRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":              "",
		"no end":               "\x80\x04}",
		"no value":             "\x80\x04.",
		"two values":           "\x80\x04}}.",
		"something after":      "\x80\x04}.}",
		"no dict":              "\x80\x04].",
		"protocol 0":           "(dp0\n.",
		"protocol 6":           "\x80\x06}.",
		"os.system":            "\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x02id\x85R.",
		"os.system, old":       "\x80\x02cos\nsystem\nU\x02id\x85R.",
		"builtins.eval":        "\x80\x04\x8c\x08builtins\x8c\x04eval\x93\x8c\x011\x85R.",
		"datetime.date":        "\x80\x04}\x8c\x01a\x8c\x08datetime\x8c\x04date\x93C\x04\x07\xeb\x01\x01\x85Rs.",
		"a class":              "\x80\x04}\x8c\x01a\x8c\x08datetime\x8c\x08timezone\x93s.",
		"a timedelta":          "\x80\x04}\x8c\x01a\x8c\x08datetime\x8c\x09timedelta\x93K\x01K\x00K\x00\x87Rs.",
		"a datetime of text":   "\x80\x04}\x8c\x01a\x8c\x08datetime\x8c\x08datetime\x93\x8c\x0a0123456789\x85Rs.",
		"the 13th month":       "\x80\x04}\x8c\x01a\x8c\x08datetime\x8c\x08datetime\x93C\x0a\x07\xeb\x0d\x01\x00\x00\x00\x00\x00\x00\x85Rs.",
		"a call of a str":      "\x80\x04\x8c\x01a)R.",
		"build":                "\x80\x04}}b.",
		"persistent id":        "\x80\x04\x8c\x01aQ.",
		"ext":                  "\x80\x04\x82\x01.",
		"inst":                 "\x80\x04(ios\nsystem\n.",
		"obj":                  "\x80\x04(}o.",
		"newobj":               "\x80\x04\x8c\x08builtins\x8c\x04list\x93)\x81.",
		"a set":                "\x80\x04}\x8c\x01a\x8fs.",
		"bytearray":            "\x80\x05\x96\x01\x00\x00\x00\x00\x00\x00\x00a.",
		"below the mark":       "\x80\x04}(K\x01s.",
		"no mark":              "\x80\x04}u.",
		"odd items":            "\x80\x04}(K\x01u.",
		"items of a list":      "\x80\x04](K\x01K\x02u.",
		"appended to a dict":   "\x80\x04}K\x01a.",
		"a list as key":        "\x80\x04}]K\x01s.",
		"a tuple as key":       "\x80\x04})K\x01s.",
		"NaN as key":           "\x80\x04}G\x7f\xf8\x00\x00\x00\x00\x00\x00K\x01s.",
		"one name, two keys":   "\x80\x04}K\x01K\x01s\x8c\x011K\x02s.",
		"no UTF-8":             "\x80\x04}\x8c\x01\xffK\x01s.",
		"a length over all":    "\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\xff}.",
		"a length cut off":     "\x80\x04B\xff\xff",
		"memo, not put":        "\x80\x04h\x00.",
		"memo with a gap":      "\x80\x04}r\xff\xff\xff\x7f.",
		"an int of 2000 bytes": "\x80\x04}\x8c\x01a\x8b\xd0\x07\x00\x00" + strings.Repeat("\x01", 2000) + "s.",
		"contains itself":      "\x80\x04}\x94\x8c\x01ah\x00s.",
		"too deep":             "\x80\x04}\x8c\x01a" + strings.Repeat("]", 200) + strings.Repeat("a", 199) + "s.",
	} {
		d, err := Load([]byte(text))
		if err == nil {
			_, err = d.JSON()
		}
		if !errors.Is(err, session.ErrUnreadable) {
			t.Errorf("%s: got %v, want %v", name, err, session.ErrUnreadable)
		}
	}
}

// bomb is a small pickle that says a number 10^n times.
func bomb(n int) []byte {
	text := "\x80\x04}(K\x00](" + strings.Repeat("K\x01", 10) + "e\x94"
	for i := range n {
		text += "K" + string(rune(i+1)) + "](" + strings.Repeat("h"+string(rune(i)), 10) + "e\x94"
	}
	return []byte(text + "u.")
}

// Memory stays in proportion, however much a pickle claims.
func TestBounds(t *testing.T) {
	for name, row := range map[string]struct {
		text []byte
		max  uint64
	}{
		"long":         {bytes.Repeat([]byte("x"), MaxBytes+1), 1 << 20},
		"many values":  {append([]byte("\x80\x04"), bytes.Repeat([]byte("}"), MaxBytes-2)...), 256 << 20},
		"many times":   {bomb(20), 16 << 20},
		"many strings": {append([]byte("\x80\x04"), bytes.Repeat([]byte("N"), MaxBytes-2)...), 256 << 20},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		d, err := Load(row.text)
		if err == nil {
			_, err = d.JSON()
		}
		runtime.ReadMemStats(&after)
		got := after.TotalAlloc - before.TotalAlloc
		t.Logf("%s: %d KiB", name, got>>10)
		if !errors.Is(err, session.ErrTooLarge) || got > row.max {
			t.Errorf("%s: got %v after %d bytes, want %v within %d", name, err, got, session.ErrTooLarge, row.max)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for text, want := range map[string]error{
		`[]`:           django.ErrJSON,
		`{`:            django.ErrJSON,
		`{"a":1e999}`:  session.ErrTooLarge,
		`{"a":-1e999}`: session.ErrTooLarge,
		`{"a":` + strings.Repeat("1", maxDigits+1) + `}`:    session.ErrTooLarge,
		`{"a":"` + strings.Repeat("x", django.Limit) + `"}`: session.ErrTooLarge,
	} {
		if _, err := Parse([]byte(text)); !errors.Is(err, want) {
			t.Errorf("%.20s: got %v, want %v", text, err, want)
		}
	}
	digits := strings.Repeat("9", maxDigits)
	d, err := Parse([]byte(`{"a":` + digits + `,"b":-` + digits + `}`))
	if err != nil {
		t.Fatal(err)
	}
	if d, err = Load(d.Dump()); err != nil {
		t.Fatal(err)
	}
	if got, err := d.JSON(); err != nil || string(got) != `{"a":`+digits+`,"b":-`+digits+`}` {
		t.Errorf("%d digits: got %.40s, %v", maxDigits, got, err)
	}
}

func TestRepr(t *testing.T) {
	for f, want := range map[float64]string{
		0: "0.0", 1: "1.0", 0.1: "0.1", 1e15: "1000000000000000.0", 1e16: "1e+16", 123456789012345680: "1.2345678901234568e+17",
		1e-4: "0.0001", 1e-5: "1e-05", -2.5e-7: "-2.5e-07", 5e-324: "5e-324", 1e22: "1e+22",
	} {
		if got := repr(f); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// FuzzLoad finds out whether anything but an error comes of a broken pickle,
// and whether what is read can be written and read again.
func FuzzLoad(f *testing.F) {
	for _, row := range fromPython {
		text, err := hex.DecodeString(row.pickle)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add(bomb(3))
	f.Fuzz(func(t *testing.T, text []byte) {
		d, err := Load(text)
		var want []byte
		if err == nil {
			want, err = d.JSON()
		}
		if err != nil {
			if !errors.Is(err, session.ErrUnreadable) && !errors.Is(err, session.ErrTooLarge) {
				t.Errorf("got %v", err)
			}
			return
		}
		if canonical, err := django.Canonical(want); err != nil || !bytes.Equal(canonical, want) {
			t.Fatalf("got %q, %v, which is not canonical: %q", want, err, canonical)
		}
		again, err := Load(d.Dump())
		if err != nil {
			t.Fatalf("cannot load what was dumped: %v", err)
		}
		if got, err := again.JSON(); err != nil || !bytes.Equal(got, want) {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
		parsed, err := Parse(want)
		if err != nil {
			return // more than Python reads
		}
		merged, err := Merge(d, parsed)
		if err != nil {
			t.Fatalf("merged with what JSON shows: %v", err)
		}
		if !bytes.Equal(merged.Dump(), d.Dump()) {
			t.Errorf("%q: merging changed it", want)
		}
	})
}
