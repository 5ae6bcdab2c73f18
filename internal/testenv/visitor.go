package testenv

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// Failer is the part of testing.T that a Visitor needs.
type Failer interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}

// Visitor is a minimal browser: it keeps cookies and follows no redirects.
type Visitor struct {
	T      Failer
	Client *http.Client
}

// NewVisitor returns a visitor without cookies.
func NewVisitor(t Failer) *Visitor {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &Visitor{t, &http.Client{
		Jar:           jar,
		Timeout:       30 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Response is a response with its whole body.
type Response struct {
	Status int
	Header http.Header
	Body   string
}

// Do sends a request. If form is not nil, it is posted.
func (v *Visitor) Do(address string, form url.Values, headers ...string) Response {
	v.T.Helper()
	method, body := http.MethodGet, io.Reader(nil)
	if form != nil {
		method, body = http.MethodPost, strings.NewReader(form.Encode())
	}
	request, err := http.NewRequest(method, address, body)
	if err != nil {
		v.T.Fatal(err)
	}
	if form != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	request.Header.Set("Accept", "*/*")
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := v.Client.Do(request)
	if err != nil {
		v.T.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		v.T.Fatal(err)
	}
	return Response{response.StatusCode, response.Header, string(text)}
}

var csrfField = regexp.MustCompile(`name="csrfmiddlewaretoken" value="([^"]+)"`)

// CSRF gets a page and returns the token in its form.
func (v *Visitor) CSRF(address string) string {
	v.T.Helper()
	page := v.Do(address, nil)
	match := csrfField.FindStringSubmatch(page.Body)
	if page.Status != http.StatusOK || match == nil {
		v.T.Fatalf("GET %s: %d, no form with a CSRF token in %.200q", address, page.Status, page.Body)
	}
	return match[1]
}

// Cookie returns the value of a cookie that is sent to an address, or "".
func (v *Visitor) Cookie(address, name string) string {
	here, err := url.Parse(address)
	if err != nil {
		v.T.Fatal(err)
	}
	for _, cookie := range v.Client.Jar.Cookies(here) {
		if cookie.Name == name {
			return cookie.Value
		}
	}
	return ""
}
