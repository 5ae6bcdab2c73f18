package session

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Cookie is the name and the attributes of the session cookie, RFC 6265bis
// section 4.1; the settings SESSION_COOKIE_*.
type Cookie struct {
	Name     string
	Domain   string // "" for a host-only cookie
	Path     string
	Secure   bool
	HTTPOnly bool
	// SameSite is Lax, Strict or None, or "" for no attribute.
	SameSite    string
	Partitioned bool
}

// cookieTime is the date form of RFC 9110 section 5.6.7.
const cookieTime = "Mon, 02 Jan 2006 15:04:05 GMT"

// Validate returns an error for a cookie that browsers would drop or that could inject attributes
// or headers into a Set-Cookie line.
func (c Cookie) Validate() error {
	switch {
	case !isToken(c.Name):
		return fmt.Errorf("name %q is not a cookie name (RFC 9110 token)", c.Name)
	case !isAttributeValue(c.Domain) || strings.Contains(c.Domain, " "):
		return fmt.Errorf("domain %q holds characters that a cookie attribute cannot have", c.Domain)
	case !strings.HasPrefix(c.Path, "/") || !isAttributeValue(c.Path):
		return fmt.Errorf("path %q must begin with a slash and hold neither ';' nor control characters", c.Path)
	case strings.HasPrefix(strings.ToLower(c.Name), "__host-") && (!c.Secure || c.Domain != "" || c.Path != "/"):
		return errors.New("a __Host- name needs secure: true, no domain, and path: / (browsers drop it otherwise)")
	case strings.HasPrefix(strings.ToLower(c.Name), "__secure-") && !c.Secure:
		return errors.New("a __Secure- name needs secure: true (browsers drop it otherwise)")
	case c.Partitioned && !c.Secure:
		return errors.New("partitioned needs secure: true (browsers drop it otherwise)")
	}
	switch c.SameSite {
	case "", "Lax", "Strict":
	case "None":
		if !c.Secure {
			return errors.New("same_site: None needs secure: true (browsers drop it otherwise)")
		}
	default:
		return fmt.Errorf("same_site %q must be Lax, Strict, None or empty", c.SameSite)
	}
	return nil
}

// Until returns the Set-Cookie value of a cookie that expires at at.
func (c Cookie) Until(value string, at, now time.Time) string {
	age := int64(at.Sub(now) / time.Second)
	if age <= 0 {
		return c.Delete()
	}
	return c.line(value, "; Expires="+at.UTC().Format(cookieTime)+"; Max-Age="+strconv.FormatInt(age, 10))
}

// UntilBrowserClose returns the Set-Cookie value of a cookie without an expiry.
func (c Cookie) UntilBrowserClose(value string) string { return c.line(value, "") }

// Delete returns the Set-Cookie value that makes a browser delete the cookie.
func (c Cookie) Delete() string {
	return c.line("", "; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0")
}

func (c Cookie) line(value, end string) string {
	var b strings.Builder
	b.Grow(len(c.Name) + len(value) + len(end) + 96)
	b.WriteString(c.Name)
	b.WriteByte('=')
	b.WriteString(value)
	b.WriteString(end)
	if c.Domain != "" {
		b.WriteString("; Domain=" + c.Domain)
	}
	b.WriteString("; Path=" + c.Path)
	if c.Secure {
		b.WriteString("; Secure")
	}
	if c.HTTPOnly {
		b.WriteString("; HttpOnly")
	}
	if c.SameSite != "" {
		b.WriteString("; SameSite=" + c.SameSite)
	}
	if c.Partitioned {
		b.WriteString("; Partitioned")
	}
	return b.String()
}

func isToken(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return s != ""
}

func isAttributeValue(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < ' ' || c >= 0x7f || c == ';' {
			return false
		}
	}
	return true
}
