package pickle

import (
	"bytes"
	"encoding/hex"
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"

	"cloakroom/session"
	"cloakroom/session/django"
)

// fromPython are pickles of dicts as Python 3.11 writes them, in protocols 2, 4 and 5, and what
// JSON shows of them.
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
	{"protocol 4", "800495a0000000000000007d948c0164945d94288c086461746574696d65948c086461746574696d65949394430a07eb010203040500000094859452946805430a07eb01020304050000069468038c0874696d657a6f6e6594939468038c0974696d6564656c74619493944b004b004b008794529485945294869452946805430a00018c1f00000000000094680b680d4affffffff4a482001004b0087945294859452948694529465732e", `{"d":["2027-01-02T03:04:05","2027-01-02T03:04:05.000Z","0001-12-31T00:00:00-03:30"]}`},
	{"protocol 5", "80057d942e", `{}`},
	{"protocol 5", "8005954e000000000000007d948c0161945d94284b014affffffff4bff4d00014a000001004affffff7f4a000000808a0500000080008a090000000000000000c0473fe0000000000000474480f0cf064dd5924e888965732e", `{"a":[1,-1,255,256,65536,2147483647,-2147483648,2147483648,-1180591620717411303424,0.5,1e+22,null,true,false]}`},
	{"protocol 5", "8005955c010000000000007d94288c0173945d94288c00948c0dc3a9e29883f09f988000225c0a948c03eda0bd94582c010000787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878946568067d94752e", `{"s":["","\u00e9\u2603\ud83d\ude00\u0000\"\\\n","\ud83d","xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"],"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx":{}}`},
	{"protocol 5", "80059536000000000000007d94288c01749428294b0185944b014b0286944b014b024b038794284b014b024b034b04749474948c016c945d945d944b016161752e", `{"t":[[],[1],[1,2],[1,2,3],[1,2,3,4]],"l":[[1]]}`},
	{"protocol 5", "8005951a000000000000007d94284b074b014740040000000000004b024e4b03884b04752e", `{"7":1,"2.5":2,"null":3,"true":4}`},
	{"protocol 5", "80059529000000000000007d948c036e616e945d9428477ff8000000000000477ff000000000000047fff000000000000065732e", `{"nan":[null,null,null]}`},
	{"protocol 5", "8005951e000000000000007d94288c0161945d944b01618c01629468028c016394680268028694752e", `{"a":[1],"b":[1],"c":[[1],[1]]}`},
	{"protocol 5", "80059546010000000000007d948c0162945d9428430094430200ff94422c0100007878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878789465732e", `{"b":["","AP8=","eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4"]}`},
	{"protocol 5", "800595a0000000000000007d948c0164945d94288c086461746574696d65948c086461746574696d65949394430a07eb010203040500000094859452946805430a07eb01020304050000069468038c0874696d657a6f6e6594939468038c0974696d6564656c74619493944b004b004b008794529485945294869452946805430a00018c1f00000000000094680b680d4affffffff4a482001004b0087945294859452948694529465732e", `{"d":["2027-01-02T03:04:05","2027-01-02T03:04:05.000Z","0001-12-31T00:00:00-03:30"]}`},
}

func TestDecode(t *testing.T) {
	for _, row := range fromPython {
		text, err := hex.DecodeString(row.pickle)
		if err != nil {
			t.Fatal(err)
		}
		data, origin, err := Decode(string(text))
		if err != nil || string(data) != row.want {
			t.Errorf("%s: got %s, %v, want %s", row.protocol, data, err, row.want)
			continue
		}
		again, err := Encode(data, origin)
		if err != nil {
			t.Fatalf("%s: cannot write what was read: %v", row.want, err)
		}
		if got, _, err := Decode(again); err != nil || string(got) != row.want {
			t.Errorf("written and read: got %s, %v, want %s", got, err, row.want)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":             "",
		"no end":              "\x80\x04}",
		"no value":            "\x80\x04.",
		"two values":          "\x80\x04}}.",
		"something after":     "\x80\x04}.}",
		"no dict":             "\x80\x04].",
		"protocol 1, named":   "\x80\x01}.",
		"protocol 6":          "\x80\x06}.",
		"a second protocol":   "\x80\x04}\x80\x02.",
		"os.system":           "\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x02id\x85R.",
		"a subclass":          "\x80\x04\x8c\x04site\x8c\x04Dict\x93)\x81.",
		"a str of Python 2":   "\x80\x02}U\x01aK\x01s.",
		"a call of a str":     "\x80\x04}\x8c\x01a\x8c\x01a)Rs.",
		"a call with no args": "\x80\x04}\x8c\x01a\x8c\x01b\x8c\x01c\x93K\x01Rs.",
		"a state for a dict":  "\x80\x04}}b.",
		"persistent id":       "\x80\x04\x8c\x01aQ.",
		"ext":                 "\x80\x04\x82\x01.",
		"inst":                "\x80\x04(ios\nsystem\n.",
		"obj":                 "\x80\x04(}o.",
		"dup":                 "\x80\x04}2.",
		"a buffer":            "\x80\x05}\x8c\x01a\x97s.",
		"below the mark":      "\x80\x04}(K\x01s.",
		"no mark":             "\x80\x04}u.",
		"no mark to pop":      "\x80\x04}1.",
		"odd items":           "\x80\x04}(K\x01u.",
		"odd items, old":      "(K\x01d.",
		"items of a list":     "\x80\x04](K\x01K\x02u.",
		"appended to a dict":  "\x80\x04}K\x01a.",
		"appended to a tuple": "\x80\x04}\x8c\x01a)K\x01as.",
		"no UTF-8":            "\x80\x04}\x8c\x01\xffK\x01s.",
		"a length over all":   "\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\xff}.",
		"a length cut off":    "\x80\x04B\xff\xff",
		"a line cut off":      "(dp0\nV",
		"a wrong escape":      "(dp0\nV\\u12\nI1\ns.",
		"no int":              "(dp0\nVa\nI0x1\ns.",
		"no float":            "(dp0\nVa\nF0x1p1\ns.",
		"memo, not put":       "\x80\x04h\x00.",
		"memo with a gap":     "\x80\x04}r\xff\xff\xff\x7f.",
		"a user of no type":   "\x80\x04}\x8c\x0d_auth_user_id\x8c\x04site\x8c\x01U\x93)\x81s.",
		"a key of no type":    "\x80\x04}\x8c\x04site\x8c\x01U\x93)\x81K\x01s.",
	} {
		if _, _, err := Decode(text); !errors.Is(err, session.ErrOpaque) {
			t.Errorf("%s: got %v, want %v", name, err, session.ErrOpaque)
		}
	}
}

// TestWithheld checks that values that JSON cannot show are withheld with a reason, and that the
// rest of the session is shown.
func TestWithheld(t *testing.T) {
	for name, row := range map[string]struct{ value, why string }{
		"os.system":            {"\x8c\x02os\x8c\x06system\x93\x8c\x02id\x85R", "os.system"},
		"os.system, old":       {"cos\nsystem\n\x8c\x02id\x85R", "os.system"},
		"an instance":          {"\x8c\x04site\x8c\x04Cart\x93)\x81}\x8c\x01aK\x01sb", "site.Cart"},
		"in a list":            {"]\x8c\x04site\x8c\x04Cart\x93)\x81a", "site.Cart"},
		"in an OrderedDict":    {"\x8c\x0bcollections\x8c\x0bOrderedDict\x93)R(K\x01ccollections\ndeque\n)Ru", "collections.deque"},
		"a class":              {"\x8c\x08datetime\x8c\x08timezone\x93", "datetime.timezone"},
		"a function of a call": {"csite\nf\n)R)R", "the result of a call"},
		"a datetime of text":   {"\x8c\x08datetime\x8c\x08datetime\x93\x8c\x0a0123456789\x85R", "datetime.datetime"},
		"the 13th month":       {"\x8c\x08datetime\x8c\x08datetime\x93C\x0a\x07\xeb\x0d\x01\x00\x00\x00\x00\x00\x00\x85R", "datetime.datetime"},
		"the 30th of February": {"\x8c\x08datetime\x8c\x04date\x93C\x04\x07\xeb\x02\x1e\x85R", "datetime.date"},
		"a list as key":        {"}]K\x01s", "a dict with a key of type list"},
		"a tuple as key":       {"})K\x01s", "a dict with a key of type tuple"},
		"one name, two keys":   {"}K\x01K\x01s\x8c\x011K\x02s", "a dict with two keys of one name in JSON"},
		"an int of 2000 bytes": {"\x8b\xd0\x07\x00\x00" + strings.Repeat("\x01", 2000), "int, too large"},
		"contains itself":      {"]q\x01h\x01a", "it holds itself"},
		"contains the session": {"]h\x00a", "it holds itself"},
		"too deep":             {strings.Repeat("]", 200) + strings.Repeat("a", 199), "nested too deep"},
		"very deep":            {strings.Repeat("]", 100_000) + strings.Repeat("a", 99_999), "nested too deep"},
		"no Decimal":           {"cdecimal\nDecimal\n\x8c\x041_00\x85R", "decimal.Decimal"},
		"no zone":              {"cdatetime\ndatetime\nC\x0a\x07\xeb\x01\x01\x00\x00\x00\x00\x00\x00cbuiltins\ngetattr\nczoneinfo\nZoneInfo\n\x8c\x09_unpickle\x86R\x8c\x09../passwd\x88\x86R\x86R", "datetime.datetime"},
		"a time with a zone":   {"cdatetime\ntime\nC\x06\x01\x01\x01\x00\x00\x00cdatetime\ntimezone\ncdatetime\ntimedelta\nK\x00K\x00K\x00\x87R\x85R\x86R", "datetime.time"},
	} {
		text := "\x80\x04}q\x00\x8c\x0d_auth_user_id\x8c\x017s\x8c\x01a" + row.value + "s\x8c\x01bK\x01s."
		data, origin, err := Decode(text)
		if err != nil || string(data) != `{"_auth_user_id":"7","b":1}` || origin == nil || len(origin.Withheld) != 1 {
			t.Errorf("%s: got %s, %+v, %v", name, data, origin, err)
			continue
		}
		if got, want := origin.Withheld[0], (session.Withheld{Key: "a", Why: row.why}); got != want {
			t.Errorf("%s: got %+v, want %+v", name, got, want)
		}
	}
}

// TestWithheldKeys checks that a key that JSON cannot represent is withheld with its value.
func TestWithheldKeys(t *testing.T) {
	for name, key := range map[string]string{"bytes": "C\x01a", "tuple": ")"} {
		data, origin, err := Decode("\x80\x04}\x8c\x01bK\x01s" + key + "K\x02s.")
		if err != nil || string(data) != `{"b":1}` || len(origin.Withheld) != 1 {
			t.Errorf("got %s, %+v, %v", data, origin, err)
		} else if want := (session.Withheld{Why: "a key of type " + name}); origin.Withheld[0] != want {
			t.Errorf("got %+v, want %+v", origin.Withheld[0], want)
		}
	}
}

// bomb returns a small pickle that repeats a number 10^n times.
func bomb(n int) []byte {
	text := "\x80\x04}(K\x00](" + strings.Repeat("K\x01", 10) + "e\x94"
	for i := range n {
		text += "K" + string(rune(i+1)) + "](" + strings.Repeat("h"+string(rune(i)), 10) + "e\x94"
	}
	return []byte(text + "u.")
}

// TestBounds checks that memory stays proportional to the input, whatever lengths a pickle claims.
func TestBounds(t *testing.T) {
	for name, row := range map[string]struct {
		text []byte
		max  uint64
	}{
		"long":         {bytes.Repeat([]byte("x"), MaxBytes+1), 1 << 20},
		"many values":  {append([]byte("\x80\x04"), bytes.Repeat([]byte("}"), MaxBytes-2)...), 256 << 20},
		"many times":   {bomb(20), 16 << 20},
		"many strings": {append([]byte("\x80\x04"), bytes.Repeat([]byte("N"), MaxBytes-2)...), 256 << 20},
		"many objects": {append([]byte("\x80\x04csite\nC\nq\x00"), bytes.Repeat([]byte("h\x00)\x81"), MaxBytes/4-8)...), 256 << 20},
	} {
		text := string(row.text)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, origin, err := Decode(text)
		if err == nil {
			_, err = Encode([]byte(`{}`), origin)
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
		if _, err := parse([]byte(text)); !errors.Is(err, want) {
			t.Errorf("%.20s: got %v, want %v", text, err, want)
		}
	}
	digits := strings.Repeat("9", maxDigits)
	want := `{"a":` + digits + `,"b":-` + digits + `}`
	text, err := Encode([]byte(want), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, origin, err := Decode(text); err != nil || string(got) != want || origin != nil {
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

// FuzzDecode checks that a broken pickle results in an error only, and that what is decoded can be
// encoded and decoded again.
func FuzzDecode(f *testing.F) {
	for _, row := range fromPython {
		text, err := hex.DecodeString(row.pickle)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add(bomb(3))
	for _, row := range fromObjects(f) {
		f.Add([]byte(row.pickle))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		data, origin, err := Decode(string(text))
		if err != nil {
			if !errors.Is(err, session.ErrUnreadable) && !errors.Is(err, session.ErrTooLarge) {
				t.Errorf("got %v", err)
			}
			return
		}
		if canonical, err := django.Canonical(data); err != nil || !bytes.Equal(canonical, data) {
			t.Fatalf("got %q, %v, which is not canonical: %q", data, err, canonical)
		}
		written, err := Encode(data, origin)
		if err != nil {
			if !errors.Is(err, session.ErrUnwritable) && !errors.Is(err, session.ErrTooLarge) {
				t.Fatalf("%q: cannot write what was read: %v", data, err)
			}
			return
		}
		again, kept, err := Decode(written)
		if err != nil || !bytes.Equal(again, data) {
			t.Fatalf("got %q, %v, want %q", again, err, data)
		}
		if got, want := withheld(kept), withheld(origin); !slices.Equal(got, want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
		if stable, err := Encode(data, kept); err != nil || stable != written && origin == nil {
			t.Errorf("got %q, %v, want %q", stable, err, written)
		}
	})
}

func withheld(origin *session.Origin) []session.Withheld {
	if origin == nil {
		return nil
	}
	return origin.Withheld
}
