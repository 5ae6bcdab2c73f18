package filter

import "testing"

func TestKindOf(t *testing.T) {
	tests := []struct {
		name, method string
		fields       Headers
		want         requestKind
	}{
		{"navigation", "GET", Headers{{"sec-fetch-mode", "navigate"}, {"accept", "*/*"}}, kindPage},
		{"a form", "POST", Headers{{"sec-fetch-mode", "navigate"}}, kindPage},
		{"fetch that takes HTML", "GET", Headers{{"sec-fetch-mode", "cors"}, {"accept", "text/html"}}, kindProgram},
		{"an image", "GET", Headers{{"sec-fetch-mode", "no-cors"}, {"accept", "image/*"}}, kindProgram},
		{"a browser's WebSocket", "GET", Headers{{"upgrade", "websocket"}, {"sec-fetch-mode", "websocket"}}, kindProgram},
		{"a WebSocket that claims to navigate", "GET", Headers{{"upgrade", "websocket"}, {"sec-fetch-mode", "navigate"}}, kindProgram},
		{"a WebSocket by HTTP/2", "CONNECT", Headers{{"accept", "text/html"}}, kindProgram},
		{"jQuery", "GET", Headers{{"x-requested-with", "xmlhttprequest"}, {"accept", "text/html"}}, kindProgram},
		{"an Android web view", "GET", Headers{{"x-requested-with", "com.example.app"}, {"accept", "text/html"}}, kindPage},
		{"an old browser", "GET", Headers{{"accept", "text/html,*/*;q=0.8"}}, kindPage},
		{"an old browser in capitals", "GET", Headers{{"accept", "TEXT/HTML"}}, kindPage},
		{"XHTML", "GET", Headers{{"accept", "application/xhtml+xml"}}, kindPage},
		{"curl", "GET", Headers{{"accept", "*/*"}}, kindPage},
		{"curl -I", "HEAD", Headers{{"accept", "*/*"}}, kindPage},
		{"curl -d", "POST", Headers{{"accept", "*/*"}}, kindProgram},
		{"a script of another origin", "GET", Headers{{"accept", "*/*"}, {"origin", "https://a.test"}}, kindProgram},
		{"JSON", "GET", Headers{{"accept", "application/json"}}, kindProgram},
		{"JSON and anything", "GET", Headers{{"accept", "application/json, */*"}}, kindProgram},
		{"server-sent events", "GET", Headers{{"accept", "text/event-stream"}}, kindProgram},
		{"nothing said", "GET", nil, kindProgram},
		{"gRPC", "POST", Headers{{"content-type", "application/grpc"}}, kindGRPC},
		{"gRPC with a codec", "POST", Headers{{"content-type", "application/grpc+json"}}, kindGRPC},
		{"gRPC-Web", "POST", Headers{{"content-type", "application/grpc-web+proto"}, {"accept", "*/*"}}, kindProgram},
	}
	for _, tt := range tests {
		h := append(Headers{{":method", tt.method}, {":path", "/"}}, tt.fields...)
		if got := kindOf(h); got != tt.want {
			t.Errorf("%s: kind %d, want %d", tt.name, got, tt.want)
		}
	}
}
