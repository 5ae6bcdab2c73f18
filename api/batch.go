package api

import (
	"bytes"
	"strconv"
	"strings"
)

// A batch's request has a line for each call: its path, its Trace if there is one (AppendTrace), its
// JSON, with spaces between. The response has a line for each, in the same order: the call's number from 0 on, its status, its JSON, with
// spaces between.
const (
	// BatchType is the content type of both.
	BatchType = "text/plain"
	// MaxCalls bounds the calls of a batch.
	MaxCalls = 64
	// MaxBatchBytes bounds the response. A call whose result has no room in it has the
	// status TooLarge, and is to be made alone.
	MaxBatchBytes = 512 << 10
)

// TooLarge is the status of a call whose result has no room in its batch.
const TooLarge = 413

// Batchable reports whether a call's JSON can be a line of a batch.
func Batchable(body string) bool { return strings.IndexByte(body, '\n') < 0 }

// AppendCall appends a call to a batch's request. Its body must be Batchable.
func AppendCall(request []byte, path string, trace Trace, body string) []byte {
	request = append(append(request, path...), ' ')
	return append(append(appendTrace(request, trace), body...), '\n')
}

// ParseCall parses one line of a batch's request, without its end.
func ParseCall(line []byte) (path string, trace Trace, body []byte) {
	before, rest, _ := bytes.Cut(line, []byte(" "))
	trace, body = cutTrace(rest)
	return string(before), trace, body
}

// AppendResult appends the result of the call of a number, whose JSON must have no newline.
func AppendResult(response []byte, number, status int, body []byte) []byte {
	response = append(strconv.AppendInt(response, int64(number), 10), ' ')
	response = append(strconv.AppendInt(response, int64(status), 10), ' ')
	return append(append(response, body...), '\n')
}

// CutResult cuts the result of the call of a number off the front of a batch's response. ok is
// false where the response does not begin with it, whole.
func CutResult(response string, number int) (status, body, rest string, ok bool) {
	line, rest, whole := strings.Cut(response, "\n")
	first, line, _ := strings.Cut(line, " ")
	status, body, found := strings.Cut(line, " ")
	return status, body, rest, whole && found && first == strconv.Itoa(number)
}
