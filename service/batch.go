package service

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"
)

const (
	// maxCalls bounds how many calls a batch has.
	maxCalls = 64
	// abreast is how many of them are worked on at once.
	abreast = 4
	// maxBatchAnswer is how many bytes of answers a batch gets back; a call whose
	// answer would go beyond it is answered 413, and has to be made alone.
	maxBatchAnswer = 512 << 10
)

// batchEndpoint takes several calls in one request, so that a busy proxy sends fewer
// of them. Each line of the body is a path, a space and the call's JSON; each line of
// the answer a call's number, from 0 on and in order, its status and its JSON. Calls of
// one batch are made in no order.
func batchEndpoint(s *service, calls map[string]call) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), s.Timeout)
		defer cancel()
		lines, err := batchLines(http.MaxBytesReader(w, r.Body, maxCalls*s.maxBody()))
		if err != nil {
			s.fail(w, r.URL.Path, err)
			return
		}
		results := make([]result, len(lines))
		var workers sync.WaitGroup
		for worker := range min(abreast, len(lines)) {
			workers.Go(func() {
				for i := worker; i < len(lines); i += abreast {
					results[i] = s.batched(ctx, calls, lines[i])
				}
			})
		}
		workers.Wait()
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		w.Write(joined(results))
	})
}

// result is the answer to one call of a batch.
type result struct {
	status int
	body   any
}

func (s *service) batched(ctx context.Context, calls map[string]call, line []byte) result {
	path, body, _ := bytes.Cut(line, []byte(" "))
	call, ok := calls[string(path)]
	if !ok {
		return result{http.StatusNotFound, problem{"no such path"}}
	}
	start := time.Now()
	out, err := call(ctx, bytes.NewReader(body))
	r := result{http.StatusOK, out}
	if err != nil {
		r.status, r.body = s.problem(string(path), err)
	}
	s.metrics.observed(string(path), r.status, start)
	return r
}

// batchLines reads a batch. It reads no further than the first line that is too much, or
// empty.
func batchLines(body io.Reader) (lines [][]byte, err error) {
	in := bufio.NewReader(body)
	for {
		line, err := in.ReadBytes('\n')
		switch {
		case err == io.EOF && len(line) == 0:
			return lines, nil
		case err != nil && err != io.EOF:
			return nil, bodyError(err)
		case len(lines) == maxCalls:
			return nil, fmt.Errorf("%w: a batch has up to %d calls", errRequest, maxCalls)
		}
		if line = bytes.TrimSuffix(line, []byte("\n")); len(line) == 0 {
			return nil, fmt.Errorf("%w: a batch has no empty lines", errRequest)
		}
		lines = append(lines, line)
	}
}

func joined(results []result) []byte {
	var out, line bytes.Buffer
	encoder := json.NewEncoder(&line) // ends with a line's end
	encoder.SetEscapeHTML(false)
	for i, r := range results {
		line.Reset()
		if err := encoder.Encode(r.body); err != nil {
			line.Reset()
			r.status = http.StatusInternalServerError
			_ = encoder.Encode(problem{http.StatusText(r.status)})
		}
		if out.Len()+line.Len() > maxBatchAnswer {
			line.Reset()
			r.status = http.StatusRequestEntityTooLarge
			_ = encoder.Encode(problem{"the batch's answer is too large: ask alone"})
		}
		out.WriteString(strconv.Itoa(i) + " " + strconv.Itoa(r.status) + " ")
		line.WriteTo(&out)
	}
	return out.Bytes()
}
