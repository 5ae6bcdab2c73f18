package filter

import (
	"strconv"

	"cloakroom/session/rawjson"
)

// titles are the refusals' reason phrases, RFC 9110 section 15, and the
// grpc-status of each (the gRPC project's statuscodes.md).
var titles = map[int]struct {
	title string
	grpc  int
}{
	400: {"Bad Request", 3},
	401: {"Unauthorized", 16},
	403: {"Forbidden", 7},
	405: {"Method Not Allowed", 12},
	431: {"Request Header Fields Too Large", 8},
	500: {"Internal Server Error", 13},
	502: {"Bad Gateway", 14},
	503: {"Service Unavailable", 14},
}

// refusal is a local reply that explains itself: problem JSON (RFC 9457) for
// programs, a line of text for people, a grpc-status for gRPC.
func (s *Stream) refusal(status int, detail string, more ...[2]string) *LocalReply {
	t := titles[status]
	reply := &LocalReply{Status: status, GRPCStatus: NoGRPC}
	contentType := "text/plain; charset=utf-8"
	switch s.requestKind() {
	case kindPage:
		reply.Body = detail + "\n"
	case kindGRPC:
		reply.GRPCStatus, reply.Body = t.grpc, detail
	case kindProgram:
		contentType = "application/problem+json"
		body := append([]byte(`{"title":"`), t.title...)
		body = append(body, `","status":`...)
		body = strconv.AppendInt(body, int64(status), 10)
		body = append(body, `,"detail":`...)
		reply.Body = string(append(rawjson.AppendString(body, detail), '}'))
	}
	reply.Headers = append(Headers{
		{"content-type", contentType},
		{"cache-control", "no-store"},
		{"vary", "Cookie"},
	}, more...)
	return reply
}

// redirect is a local reply that leads elsewhere.
func redirect(status int, location string, more ...[2]string) *LocalReply {
	return &LocalReply{Status: status, GRPCStatus: NoGRPC, Headers: append(Headers{
		{"location", location},
		{"cache-control", "no-store"},
		{"vary", "Cookie"},
	}, more...)}
}
