package filter

import "testing"

func TestLoginLocation(t *testing.T) {
	tests := []struct{ login, target, want string }{
		{"/login/", "/", "/login/?next=/"},
		{"/login/", "/a?b=c&d=e", "/login/?next=/a%3Fb%3Dc%26d%3De"},
		{"/login/", "/a%20b/%2F", "/login/?next=/a%2520b/%252F"},
		{"/login/", "/ä\r\nb+c#d", "/login/?next=/%C3%A4%0D%0Ab%2Bc%23d"},
		{"/login/", "//evil.example/a", "/login/?next=/evil.example/a"},
		{"/login/", `/\evil.example`, "/login/?next=/evil.example"},
		{"/login/", `\\/\evil.example`, "/login/?next=/evil.example"},
		{"/login/", "https://evil.example/", "/login/?next=/https%3A//evil.example/"},
		{"/login/", "", "/login/?next=/"},
		{"/login/?theme=dark", "/a", "/login/?theme=dark&next=/a"},
		{"https://id.test/", "/a?b", "https://id.test/?next=https%3A//site.test/a%3Fb"},
		{"https://id.test/", "//evil.example", "https://id.test/?next=https%3A//site.test/evil.example"},
	}
	for _, tt := range tests {
		route := routeOf(t, `{"engine":{"service":{"cluster":"s"}},"login":{"url":"`+tt.login+`"}}`)
		s := Stream{state: state{route: route, headers: Headers{{":path", tt.target}, {":scheme", "https"}, {":authority", "site.test"}}}}
		if got := s.loginLocation(); got != tt.want {
			t.Errorf("from %q to %q: %q, want %q", tt.target, tt.login, got, tt.want)
		}
	}
}
