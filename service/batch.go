package service

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"cloakroom/api"
)

// abreast bounds how many calls of a batch run concurrently.
const abreast = 4

// batchEndpoint returns the handler of requests that hold several calls (see api.AppendCall), so
// that a busy proxy sends fewer requests. The calls of a batch run in no defined order.
func batchEndpoint(s *service, calls map[string]call) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := s.WithTimeout(r.Context(), s.Timeout)
		defer cancel()
		lines, err := batchLines(http.MaxBytesReader(w, r.Body, api.MaxCalls*s.maxBody()))
		if err != nil {
			s.fail(w, r.URL.Path, err)
			return
		}
		results := make([]result, len(lines))
		s.Each(min(abreast, len(lines)), func(worker int) {
			for i := worker; i < len(lines); i += abreast {
				results[i] = s.batched(ctx, calls, lines[i])
			}
		})
		w.Header().Set("Content-Type", api.BatchType+"; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		w.Write(joined(results))
	})
}

// atOnce calls do for each of 0 to n-1, each in a goroutine, and waits for all.
func atOnce(n int, do func(i int)) {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { do(i) })
	}
	all.Wait()
}

// result is the response to one call of a batch.
type result struct {
	status int
	body   any
}

func (s *service) batched(ctx context.Context, calls map[string]call, line []byte) result {
	path, trace, body := api.ParseCall(line)
	call, ok := calls[path]
	if !ok {
		return result{http.StatusNotFound, problem{"no such path"}}
	}
	start := time.Now()
	out, err := call(withTrace(ctx, trace), bytes.NewReader(body))
	r := result{http.StatusOK, out}
	if err != nil {
		r.status, r.body = s.problem(path, err)
	}
	s.metrics.observed(path, r.status, start)
	return r
}

// batchLines reads a batch and returns its lines. It stops at the first line that is empty or
// exceeds the limit.
func batchLines(body io.Reader) (lines [][]byte, err error) {
	in := bufio.NewReader(body)
	for {
		line, err := in.ReadBytes('\n')
		switch {
		case err == io.EOF && len(line) == 0:
			return lines, nil
		case err != nil && err != io.EOF:
			return nil, bodyError(err)
		case len(lines) == api.MaxCalls:
			return nil, fmt.Errorf("%w: a batch may hold %d calls at most", errRequest, api.MaxCalls)
		}
		if line = bytes.TrimSuffix(line, []byte("\n")); len(line) == 0 {
			return nil, fmt.Errorf("%w: a batch must not hold empty lines", errRequest)
		}
		lines = append(lines, line)
	}
}

func joined(results []result) []byte {
	var out []byte
	var line bytes.Buffer
	encoder := json.NewEncoder(&line)
	encoder.SetEscapeHTML(false)
	for i, r := range results {
		line.Reset()
		if err := encoder.Encode(r.body); err != nil {
			line.Reset()
			r.status = http.StatusInternalServerError
			_ = encoder.Encode(problem{http.StatusText(r.status)})
		}
		if len(out)+line.Len() > api.MaxBatchBytes {
			line.Reset()
			r.status = api.TooLarge
			_ = encoder.Encode(problem{"the batch's response is too large: send this call alone"})
		}
		out = api.AppendResult(out, i, r.status, bytes.TrimSuffix(line.Bytes(), []byte("\n")))
	}
	return out
}
