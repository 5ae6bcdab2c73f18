package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// turn is the result of one turn of a side.
type turn struct {
	cpu       time.Duration // Envoy's, for each request
	perSecond float64
	p50, p99  time.Duration // under load
	p999      time.Duration
	serialP50 time.Duration // one request at a time
	callouts  float64       // the filter's, per thousand requests under load
}

// turn measures a side. count, unless it is nil, returns how many callouts there have been.
func (c *cli) turn(ctx context.Context, pid int, next nextRequest, count func(context.Context) (uint64, error)) (turn, error) {
	if count == nil {
		count = func(context.Context) (uint64, error) { return 0, nil }
	}
	if _, err := requests(ctx, next, 4, 200*time.Millisecond); err != nil { // connections, caches
		return turn{}, err
	}
	before, err := cpuTime(pid)
	if err != nil {
		return turn{}, err
	}
	calloutsBefore, err := count(ctx)
	if err != nil {
		return turn{}, err
	}
	start := time.Now()
	load, err := requests(ctx, next, c.Connections, c.Load)
	if err != nil {
		return turn{}, err
	}
	took := time.Since(start)
	after, err := cpuTime(pid)
	if err != nil {
		return turn{}, err
	}
	callouts, err := count(ctx)
	if err != nil {
		return turn{}, err
	}
	serial, err := requests(ctx, next, 1, c.Serial)
	if err != nil {
		return turn{}, err
	}
	return turn{
		cpu:       (after - before) / time.Duration(len(load)),
		perSecond: float64(len(load)) / took.Seconds(),
		p50:       quantile(load, 0.5),
		p99:       quantile(load, 0.99),
		p999:      quantile(load, 0.999),
		serialP50: quantile(serial, 0.5),
		callouts:  1000 * float64(callouts-calloutsBefore) / float64(len(load)),
	}, nil
}

// requests sends requests one after the other on each of several connections and returns how long
// each took, sorted. A response other than 200 is an error.
func requests(ctx context.Context, next nextRequest, connections int, during time.Duration) ([]time.Duration, error) {
	transport := &http.Transport{MaxIdleConnsPerHost: connections, DisableCompression: true}
	defer transport.CloseIdleConnections()
	end := time.Now().Add(during)
	var mu sync.Mutex
	var all []time.Duration
	var errs []error
	var wg sync.WaitGroup
	for range connections {
		wg.Go(func() {
			took, err := oneConnection(ctx, transport, next, end)
			mu.Lock()
			defer mu.Unlock()
			all = append(all, took...)
			errs = append(errs, err)
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	slices.Sort(all)
	return all, nil
}

// nextRequest returns a request. It may be called concurrently.
type nextRequest func(ctx context.Context) (*http.Request, error)

// requests returns requests for one page with one session.
func (s side) requests(key string) nextRequest {
	return func(ctx context.Context) (*http.Request, error) {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1:"+strconv.Itoa(s.Port)+"/page", nil)
		if err == nil {
			request.Header.Set("Cookie", "csrftoken=abc; sessionid="+key)
		}
		return request, err
	}
}

func oneConnection(ctx context.Context, transport *http.Transport, next nextRequest, end time.Time) ([]time.Duration, error) {
	var all []time.Duration
	for start := time.Now(); start.Before(end); {
		request, err := next(ctx)
		if err != nil {
			return nil, err
		}
		response, err := transport.RoundTrip(request)
		if err != nil {
			return nil, err
		}
		if _, err := io.Copy(io.Discard, response.Body); err != nil {
			return nil, err
		}
		if err := response.Body.Close(); err != nil {
			return nil, err
		}
		if response.StatusCode != http.StatusOK {
			return nil, fmt.Errorf("got %s, want 200", response.Status)
		}
		now := time.Now()
		all = append(all, now.Sub(start))
		start = now
	}
	return all, nil
}

func quantile(sorted []time.Duration, q float64) time.Duration {
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

// cpuTime returns the CPU time of a process, user and system (proc_pid_stat(5), fields 14 and 15,
// in ticks of 10 ms).
func cpuTime(pid int) (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest) // from field 3 on
	if len(fields) < 13 {
		return 0, errors.New("unreadable /proc/PID/stat")
	}
	var ticks int64
	for _, field := range fields[11:13] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond, nil
}

// residentBytes returns the resident memory of a process (proc_pid_status(5)).
func residentBytes(pid int) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for _, line := range strings.Split(string(text), "\n") {
		if value, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			return kb << 10, err
		}
	}
	return 0, errors.New("no VmRSS in /proc/PID/status")
}
