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

// contextID is the last stream that sent request headers: "effective last" chooses it.
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

// do performs one operation and tells its result.
func do(words []string, s scripts) string {
	arg := func(i int) string {
		if i < len(words) {
			return words[i]
		}
		return ""
	}
	number := func(i int) int {
		n, _ := strconv.Atoi(arg(i))
		return n
	}
	rest := func(i int) string { return strings.Join(words[min(i, len(words)):], " ") }
	switch words[0] {
	case "get": // get MAP NAME
		v, err := maps[arg(1)].get(arg(2))
		return result(v, err)
	case "pairs": // pairs MAP
		v, err := maps[arg(1)].pairs()
		return result(fmt.Sprint(v), err)
	case "names": // names MAP
		v, err := maps[arg(1)].pairs()
		names := []string{}
		for _, p := range v {
			names = append(names, p[0])
		}
		return result(strings.Join(names, " "), err)
	case "add": // add MAP NAME VALUE
		return result("", maps[arg(1)].add(arg(2), rest(3)))
	case "set": // set MAP NAME VALUE
		return result("", maps[arg(1)].set(arg(2), rest(3)))
	case "remove": // remove MAP NAME
		return result("", maps[arg(1)].remove(arg(2)))
	case "body": // body req|resp START SIZE
		read := proxywasm.GetHttpRequestBody
		if arg(1) == "resp" {
			read = proxywasm.GetHttpResponseBody
		}
		b, err := read(number(2), number(3))
		return result(string(b), err)
	case "setbody": // setbody req|resp replace|append|prepend TEXT
		return result("", setBody(arg(1)+" "+arg(2), rest(3)))
	case "prop": // prop PATH, separated by slashes
		b, err := proxywasm.GetProperty(strings.Split(arg(1), "/"))
		return result(strconv.Quote(string(b)), err)
	case "hexprop": // the same in hexadecimal
		b, err := proxywasm.GetProperty(strings.Split(arg(1), "/"))
		return result(hex.EncodeToString(b), err)
	case "setprop": // setprop PATH VALUE
		return result("", proxywasm.SetProperty(strings.Split(arg(1), "/"), []byte(rest(2))))
	case "reply": // reply STATUS GRPC NAME=VALUE,… BODY
		var headers [][2]string
		for _, h := range strings.Split(arg(3), ",") {
			if name, value, found := strings.Cut(h, "="); found {
				headers = append(headers, [2]string{name, value})
			}
		}
		return result("", proxywasm.SendHttpResponse(uint32(number(1)), headers, []byte(rest(4)), int32(number(2))))
	case "call": // call CLUSTER PATH TIMEOUT BODY: runs the script "call" when the answer is there
		headers := [][2]string{{":method", "POST"}, {":path", arg(2)}, {":authority", "callout"}}
		if arg(2) == "none" {
			headers = headers[:1]
		}
		err := upstreamgo.DispatchHTTPCall(arg(1), headers, []byte(rest(4)), uint32(number(3)), func(h, b, t int) {
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
			proxywasm.LogInfo(fmt.Sprintf("call: answer headers=%t body=%d trailers=%d status=%s %s", h > 0, b, t, status, body))
			s.run("call")
		})
		return result("", err)
	case "resume":
		if arg(1) == "resp" {
			return result("", proxywasm.ResumeHttpResponse())
		}
		return result("", proxywasm.ResumeHttpRequest())
	case "close": // close STREAMTYPE
		return result("", upstreamgo.CloseStream(upstreamgo.StreamType(number(1))))
	case "effective": // effective last|own|saved|NUMBER
		id, known := map[string]string{"last": strconv.Itoa(int(contextID)), "own": s["own"], "saved": saved}[arg(1)]
		if !known {
			id = arg(1)
		}
		n, _ := strconv.Atoi(id)
		return result("", proxywasm.SetEffectiveContext(uint32(n)))
	case "save": // keeps the stream's id for "effective saved"
		saved = s["own"]
	case "tick":
		return result("", proxywasm.SetTickPeriodMilliSeconds(uint32(number(1))))
	case "shget":
		v, cas, err := proxywasm.GetSharedData(arg(1))
		return result(fmt.Sprintf("%s cas=%t", v, cas != 0), err)
	case "shset": // shset KEY VALUE CAS
		return result("", proxywasm.SetSharedData(arg(1), []byte(arg(2)), uint32(number(3))))
	case "queue": // queue register NAME | enqueue NAME VALUE | dequeue NAME
		return queue(arg(1), arg(2), rest(3))
	case "metric": // metric counter|gauge|histogram NAME VALUE
		return metric(arg(1), arg(2), number(3))
	case "env":
		return os.Getenv(arg(1))
	case "now":
		return strconv.FormatInt(time.Now().UnixNano(), 10)
	case "foreign":
		b, err := proxywasm.CallForeignFunction(arg(1), []byte(rest(2)))
		return result(string(b), err)
	case "stdout":
		fmt.Println(rest(1))
	case "stderr":
		fmt.Fprintln(os.Stderr, rest(1))
	case "panic":
		panic("told to")
	case "trap":
		var p *[1 << 20]int
		_ = p[number(1)]
	case "exit":
		os.Exit(3)
	case "say":
		return rest(1)
	default:
		return "unknown operation"
	}
	return ""
}

func result(value string, err error) string {
	if err != nil {
		return "ERROR " + err.Error()
	}
	return value
}

func note(s scripts, callback string, size int, end bool) {
	if _, found := s[callback]; found {
		proxywasm.LogInfo(fmt.Sprintf("%s: size=%d end=%t", callback, size, end))
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
