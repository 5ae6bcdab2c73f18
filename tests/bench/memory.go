package main

import (
	"context"
	"time"
)

// memory is Envoy's resident memory, after some load.
type memory struct {
	without, with          int64 // one worker, without and with the filter
	perWorker, perWorkerNo int64 // the increase by another worker, with and without
}

const manyWorkers = 4

func (b *bench) memory(ctx context.Context) (m memory, err error) {
	var many, manyNo int64
	var without, with side
	for _, s := range sides(b) {
		switch s.Name {
		case "none":
			without = s
		case "cached":
			with = s
		}
	}
	for _, run := range []struct {
		into    *int64
		side    side
		workers int
	}{
		{&m.without, without, 1},
		{&manyNo, without, manyWorkers},
		{&m.with, with, 1},
		{&many, with, manyWorkers},
	} {
		if *run.into, err = b.resident(ctx, run.side, run.workers); err != nil {
			return m, err
		}
	}
	m.perWorker = (many - m.with) / (manyWorkers - 1)
	m.perWorkerNo = (manyNo - m.without) / (manyWorkers - 1)
	return m, nil
}

// resident returns the memory of an Envoy with one side only, all of whose workers have served
// requests.
func (b *bench) resident(ctx context.Context, s side, workers int) (int64, error) {
	envoy, err := b.envoy(ctx, []side{s}, workers)
	if err != nil {
		return 0, err
	}
	defer envoy.Stop()
	if _, err := requests(ctx, envoy.sides[0].requests(b.key), 8*workers, time.Second); err != nil {
		return 0, err
	}
	return residentBytes(envoy.PID())
}
