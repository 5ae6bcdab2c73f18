package main

import (
	"errors"
	"math/rand/v2"
	"os"
	"strconv"
	"time"

	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm"
	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/types"
	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/upstreamgo"

	"cloakroom/filter/config"
	"cloakroom/filter/worker"
)

type route = config.Route

// pluginContext is one configuration of the filter on one worker.
type pluginContext struct {
	types.DefaultPluginContext
	id         uint32
	worker     *worker.Worker
	sharedKeys []string
	counters   counters
	// at is when the current callback, or one shortly before it, began.
	at    time.Time
	quick bool           // ticks come every millisecond
	spare []*httpContext // of streams that have ended
	// What the host refused or carried out of the current output.
	refused []refusal
	leases  []lease
	// headers and headerBytes are buffers for a callback's header pairs and their text.
	headers     [][2]string
	headerBytes []byte
	// bodyBytes is the buffer for a response's body, nameBytes and metadataBytes those for the
	// route's name and metadata.
	bodyBytes, nameBytes, metadataBytes []byte
}

// OnPluginStart rejects a configuration unless every field is valid; Envoy then keeps the previous
// one, or does not start.
func (p *pluginContext) OnPluginStart(int) types.OnPluginStartStatus {
	text, err := proxywasm.GetPluginConfiguration()
	if err != nil && !errors.Is(err, types.ErrorStatusNotFound) {
		proxywasm.LogCriticalf("cloakroom: the plugin configuration cannot be read: %v", err)
		return types.OnPluginStartStatusFailed
	}
	config, err := config.Parse(string(text), os.LookupEnv)
	if err != nil {
		proxywasm.LogCriticalf("cloakroom: the plugin configuration is refused:\n%v", err)
		return types.OnPluginStartStatusFailed
	}
	p.worker = worker.New(config, worker.Options{ID: strconv.FormatUint(rand.Uint64(), 36)})
	p.sharedKeys = p.worker.SharedKeys()
	p.counters = newCounters()
	if err := proxywasm.SetTickPeriodMilliSeconds(uint32(worker.Housekeeping / time.Millisecond)); err != nil {
		proxywasm.LogCriticalf("cloakroom: the host refuses ticks, without which nothing can be counted nor cached: %v", err)
		return types.OnPluginStartStatusFailed
	}
	return types.OnPluginStartStatusOK
}

func (p *pluginContext) NewHttpContext(id uint32) types.HttpContext {
	if n := len(p.spare); n > 0 {
		c := p.spare[n-1]
		p.spare = p.spare[:n-1]
		c.plugin, c.stream.ID = p, id
		return c
	}
	return &httpContext{plugin: p, stream: worker.Stream{ID: id}}
}

// OnTick runs the worker's tick.
func (p *pluginContext) OnTick() {
	p.at = upstreamgo.Now()
	var shared []worker.SharedData
	if p.worker.Due(p.at) {
		upstreamgo.Collect()
		p.counters.flush(p.worker)
		for _, key := range p.sharedKeys {
			value, cas, _ := proxywasm.GetSharedData(key)
			shared = append(shared, worker.SharedData{Value: string(value), CAS: cas})
		}
	}
	o := p.worker.Tick(shared, p.at)
	if !o.Soon {
		p.setTicks(false)
	}
	p.perform(o, nil, 0)
}

// setTicks has ticks come every millisecond, or every Housekeeping.
func (p *pluginContext) setTicks(quick bool) {
	if quick == p.quick {
		return
	}
	period := uint32(worker.Housekeeping / time.Millisecond)
	if quick {
		period = 1
	}
	if err := proxywasm.SetTickPeriodMilliSeconds(period); err == nil {
		p.quick = quick
	}
}

func (p *pluginContext) logError(err error) { proxywasm.LogErrorf("cloakroom: %v", err) }
