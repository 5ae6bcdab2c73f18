package main

import (
	"encoding/hex"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm"
	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/upstreamgo"
)

// contextID is the last stream that sent request headers: "effective last" selects it.
var contextID uint32

// saved is the stream that last did "save".
var saved string

// metrics are the metrics defined so far, by name.
var metrics = map[string]any{}

// headerOps are the operations on each header map.
type headerOps struct {
	get    func(string) (string, error)
	pairs  func() ([][2]string, error)
	add    func(string, string) error
	set    func(string, string) error
	remove func(string) error
}

var maps = map[string]headerOps{
	"req": {proxywasm.GetHttpRequestHeader, proxywasm.GetHttpRequestHeaders, proxywasm.AddHttpRequestHeader,
		proxywasm.ReplaceHttpRequestHeader, proxywasm.RemoveHttpRequestHeader},
	"resp": {proxywasm.GetHttpResponseHeader, proxywasm.GetHttpResponseHeaders, proxywasm.AddHttpResponseHeader,
		proxywasm.ReplaceHttpResponseHeader, proxywasm.RemoveHttpResponseHeader},
	"reqt": {proxywasm.GetHttpRequestTrailer, proxywasm.GetHttpRequestTrailers, proxywasm.AddHttpRequestTrailer,
		proxywasm.ReplaceHttpRequestTrailer, proxywasm.RemoveHttpRequestTrailer},
	"respt": {proxywasm.GetHttpResponseTrailer, proxywasm.GetHttpResponseTrailers, proxywasm.AddHttpResponseTrailer,
		proxywasm.ReplaceHttpResponseTrailer, proxywasm.RemoveHttpResponseTrailer},
}

// words are an operation and its arguments; a missing one is empty, or zero.
type words []string

func (w words) at(i int) string {
	if i < len(w) {
		return w[i]
	}
	return ""
}

func (w words) number(i int) int {
	n, _ := strconv.Atoi(w.at(i))
	return n
}

func (w words) rest(i int) string { return strings.Join(w[min(i, len(w)):], " ") }

func (w words) path(i int) []string { return strings.Split(w.at(i), "/") }

// do performs one operation and returns its result as text.
func do(w words, s scripts) string {
	if op := operations[w[0]]; op != nil {
		return op(w, s)
	}
	return "unknown operation"
}

// operations by name. MAP is a key of maps; a PATH has its parts separated by slashes.
var operations map[string]func(w words, s scripts) string

func init() {
	operations = map[string]func(w words, s scripts) string{
		"get": func(w words, _ scripts) string { // MAP NAME
			return result(maps[w.at(1)].get(w.at(2)))
		},
		"pairs": func(w words, _ scripts) string { // MAP
			v, err := maps[w.at(1)].pairs()
			return result(fmt.Sprint(v), err)
		},
		"names":   func(w words, _ scripts) string { return names(maps[w.at(1)].pairs()) },                        // MAP
		"add":     func(w words, _ scripts) string { return result("", maps[w.at(1)].add(w.at(2), w.rest(3))) },   // MAP NAME VALUE
		"set":     func(w words, _ scripts) string { return result("", maps[w.at(1)].set(w.at(2), w.rest(3))) },   // MAP NAME VALUE
		"remove":  func(w words, _ scripts) string { return result("", maps[w.at(1)].remove(w.at(2))) },           // MAP NAME
		"body":    func(w words, _ scripts) string { return body(w.at(1), w.number(2), w.number(3)) },             // req|resp START SIZE
		"setbody": func(w words, _ scripts) string { return result("", setBody(w.at(1)+" "+w.at(2), w.rest(3))) }, // req|resp replace|append|prepend TEXT
		"setprop": func(w words, _ scripts) string {
			return result("", proxywasm.SetProperty(w.path(1), []byte(w.rest(2))))
		}, // PATH VALUE
		"prop": func(w words, _ scripts) string { // PATH
			b, err := proxywasm.GetProperty(w.path(1))
			return result(strconv.Quote(string(b)), err)
		},
		"hexprop": func(w words, _ scripts) string { // PATH
			b, err := proxywasm.GetProperty(w.path(1))
			return result(hex.EncodeToString(b), err)
		},
		"reply":  func(w words, _ scripts) string { return reply(w) },
		"call":   func(w words, s scripts) string { return call(w, s) },
		"resume": func(w words, _ scripts) string { return resume(w.at(1)) }, // resp, or the request
		"close": func(w words, _ scripts) string {
			return result("", upstreamgo.CloseStream(upstreamgo.StreamType(w.number(1))))
		}, // TYPE
		"effective": func(w words, s scripts) string { return effective(w.at(1), s) }, // last|own|saved|NUMBER
		"save":      func(_ words, s scripts) string { saved = s["own"]; return "" },  // keeps the stream's id for "effective saved"
		"tick": func(w words, _ scripts) string {
			return result("", proxywasm.SetTickPeriodMilliSeconds(uint32(w.number(1))))
		}, // MILLISECONDS
		"shget": func(w words, _ scripts) string { // KEY
			v, cas, err := proxywasm.GetSharedData(w.at(1))
			return result(fmt.Sprintf("%s cas=%t", v, cas != 0), err)
		},
		"shset": func(w words, _ scripts) string { // KEY VALUE CAS
			return result("", proxywasm.SetSharedData(w.at(1), []byte(w.at(2)), uint32(w.number(3))))
		},
		"queue":  func(w words, _ scripts) string { return queue(w.at(1), w.at(2), w.rest(3)) },    // register|enqueue|dequeue NAME VALUE
		"metric": func(w words, _ scripts) string { return metric(w.at(1), w.at(2), w.number(3)) }, // counter|gauge|histogram NAME VALUE
		"grpc":   grpcOp, "grpcstream": grpcOp, "grpcsend": grpcOp, "grpcclose": grpcOp, "grpccancel": grpcOp,
		"hexforeign": func(w words, _ scripts) string { // FUNCTION ARGUMENT, the result too in hexadecimal
			argument, _ := hex.DecodeString(w.at(2))
			v, err := proxywasm.CallForeignFunction(w.at(1), argument)
			return result(hex.EncodeToString(v), err)
		},
		"pack": func(w words, _ scripts) string { // TEXT, compressed and uncompressed
			v, err := proxywasm.CallForeignFunction("compress", []byte(w.rest(1)))
			if err == nil {
				v, err = proxywasm.CallForeignFunction("uncompress", v)
			}
			return result(string(v), err)
		},
		"foreign": func(w words, _ scripts) string { // FUNCTION ARGUMENT
			b, err := proxywasm.CallForeignFunction(w.at(1), []byte(w.rest(2)))
			return result(string(b), err)
		},
		"env":    func(w words, _ scripts) string { return os.Getenv(w.at(1)) },
		"now":    func(words, scripts) string { return strconv.FormatInt(time.Now().UnixNano(), 10) },
		"stdout": func(w words, _ scripts) string { fmt.Println(w.rest(1)); return "" },
		"stderr": func(w words, _ scripts) string { fmt.Fprintln(os.Stderr, w.rest(1)); return "" },
		"panic":  func(words, scripts) string { panic("told to") },
		"exit":   func(words, scripts) string { os.Exit(3); return "" },
		"say":    func(w words, _ scripts) string { return w.rest(1) },
	}
}

func names(pairs [][2]string, err error) string {
	var all []string
	for _, p := range pairs {
		all = append(all, p[0])
	}
	return result(strings.Join(all, " "), err)
}

func body(direction string, start, size int) string {
	read := proxywasm.GetHttpRequestBody
	if direction == "resp" {
		read = proxywasm.GetHttpResponseBody
	}
	b, err := read(start, size)
	return result(string(b), err)
}

// reply: reply STATUS GRPC NAME=VALUE,… BODY
func reply(w words) string {
	var headers [][2]string
	for _, h := range strings.Split(w.at(3), ",") {
		if name, value, found := strings.Cut(h, "="); found {
			headers = append(headers, [2]string{name, value})
		}
	}
	return result("", proxywasm.SendHttpResponse(uint32(w.number(1)), headers, []byte(w.rest(4)), int32(w.number(2))))
}

// call: call CLUSTER PATH TIMEOUT BODY. It logs the response and runs the script "call". The
// path "none" leaves out the required pseudo headers.
func call(w words, s scripts) string {
	headers := [][2]string{{":method", "POST"}, {":path", w.at(2)}, {":authority", "callout"}}
	if w.at(2) == "none" {
		headers = headers[:1]
	}
	plugin, err := strconv.Atoi(s["plugin"])
	if err != nil {
		return result("", err)
	}
	err = upstreamgo.DispatchHTTPCall(uint32(plugin), w.at(1), headers, []byte(w.rest(4)), uint32(w.number(3)), func(h, b, t int) {
		status := ""
		var body []byte
		if h > 0 {
			pairs, _ := proxywasm.GetHttpCallResponseHeaders()
			for _, p := range pairs {
				if p[0] == ":status" {
					status = p[1]
				}
			}
			body, _ = proxywasm.GetHttpCallResponseBody(0, min(b, 300))
		}
		s.log(fmt.Sprintf("call: answer headers=%t body=%d trailers=%d status=%s %s", h > 0, b, t, status, body))
		s.run("call")
	})
	return result("", err)
}

func resume(direction string) string {
	if direction == "resp" {
		return result("", proxywasm.ResumeHttpResponse())
	}
	return result("", proxywasm.ResumeHttpRequest())
}

func effective(which string, s scripts) string {
	id, known := map[string]string{"last": strconv.Itoa(int(contextID)), "own": s["own"], "saved": saved}[which]
	if !known {
		id = which
	}
	n, _ := strconv.Atoi(id)
	return result("", proxywasm.SetEffectiveContext(uint32(n)))
}

func result(value string, err error) string {
	if err != nil {
		return "ERROR " + err.Error()
	}
	return value
}

func note(s scripts, callback string, size int, end bool) {
	if _, found := s[callback]; found {
		s.log(fmt.Sprintf("%s: size=%d end=%t", callback, size, end))
	}
}

func setBody(how, text string) error {
	switch how {
	case "req replace":
		return proxywasm.ReplaceHttpRequestBody([]byte(text))
	case "req append":
		return proxywasm.AppendHttpRequestBody([]byte(text))
	case "req prepend":
		return proxywasm.PrependHttpRequestBody([]byte(text))
	case "resp replace":
		return proxywasm.ReplaceHttpResponseBody([]byte(text))
	case "resp append":
		return proxywasm.AppendHttpResponseBody([]byte(text))
	}
	return proxywasm.PrependHttpResponseBody([]byte(text))
}

func queue(verb, name, value string) string {
	if verb == "register" {
		_, err := proxywasm.RegisterSharedQueue(name)
		return result("", err)
	}
	id, err := proxywasm.ResolveSharedQueue("", name)
	if err != nil {
		return result("", err)
	}
	if verb == "enqueue" {
		return result("", proxywasm.EnqueueSharedQueue(id, []byte(value)))
	}
	b, err := proxywasm.DequeueSharedQueue(id)
	return result(string(b), err)
}

func metric(kind, name string, value int) string {
	m := metrics[kind+name]
	switch kind {
	case "counter":
		if m == nil {
			m = proxywasm.DefineCounterMetric(name)
		}
		c := m.(proxywasm.MetricCounter)
		c.Increment(uint64(value))
		metrics[kind+name] = m
		return strconv.FormatUint(c.Value(), 10)
	case "gauge":
		if m == nil {
			m = proxywasm.DefineGaugeMetric(name)
		}
		g := m.(proxywasm.MetricGauge)
		g.Add(int64(value))
		metrics[kind+name] = m
		return strconv.FormatInt(g.Value(), 10)
	}
	if m == nil {
		m = proxywasm.DefineHistogramMetric(name)
	}
	m.(proxywasm.MetricHistogram).Record(uint64(value))
	metrics[kind+name] = m
	return ""
}
