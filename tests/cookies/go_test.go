package cookies

import (
	"bufio"
	"net/http"
	"strings"

	"github.com/valyala/fasthttp"
)

// goLibrary reads as Go's servers read.
type goLibrary struct{}

func (goLibrary) read(requests [][]string) (readings, error) {
	got := readings{}
	for _, fields := range requests {
		got["net/http"] = append(got["net/http"], netHTTP(fields))
		got["net/http, by name"] = append(got["net/http, by name"], netHTTPByName(fields))
		got["net/http, ParseCookie"] = append(got["net/http, ParseCookie"], parseCookie(fields))
		got["fasthttp"] = append(got["fasthttp"], fastHTTP(fields))
	}
	return got, nil
}

func (r reading) add(cookies []*http.Cookie) {
	for _, c := range cookies {
		r[c.Name] = append(r[c.Name], c.Value)
	}
}

func netHTTP(fields []string) reading {
	r := reading{}
	r.add((&http.Request{Header: http.Header{"Cookie": fields}}).Cookies())
	return r
}

func netHTTPByName(fields []string) reading {
	r := reading{}
	for _, name := range names {
		if r[name] == nil {
			r.add((&http.Request{Header: http.Header{"Cookie": fields}}).CookiesNamed(name))
		}
	}
	return r
}

// parseCookie reads by the function that refuses a field with one wrong pair.
func parseCookie(fields []string) reading {
	r := reading{}
	for _, field := range fields {
		cookies, err := http.ParseCookie(field)
		if err != nil {
			return nil
		}
		r.add(cookies)
	}
	return r
}

func fastHTTP(fields []string) reading {
	text := "GET / HTTP/1.1\r\nHost: site.test\r\n"
	for _, field := range fields {
		text += "Cookie: " + field + "\r\n"
	}
	var header fasthttp.RequestHeader
	if err := header.Read(bufio.NewReaderSize(strings.NewReader(text+"\r\n"), 64<<10)); err != nil {
		return nil
	}
	r := reading{}
	for name, value := range header.Cookies() {
		r[string(name)] = append(r[string(name)], string(value))
	}
	return r
}
