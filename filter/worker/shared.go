package worker

import (
	"encoding/binary"
	"hash/crc32"
	"strconv"
	"strings"
	"time"
)

// SharedData is the value of one key of the data that the workers of a process share.
type SharedData struct {
	Value string
	CAS   uint32
}

// Write is a value for the data that workers share. Where CAS is set it is written only if
// the data is still what Tick was called with, and Written is called with whether it was.
type Write struct {
	Key, Value string
	CAS        uint32
	Lease      bool // Written is to be called

	service *service
}

// The keys of shared data have the number of their form in them: workers of another build
// share nothing with these.
const (
	leaderPrefix  = "cloakroom.2.leader."
	learnedPrefix = "cloakroom.2.feed."
)

func (v *service) leaderKey() string  { return leaderPrefix + v.config.Cluster }
func (v *service) learnedKey() string { return learnedPrefix + v.config.Cluster }

// SharedKeys returns the keys whose data Tick takes, in this order.
func (w *Worker) SharedKeys() (keys []string) {
	for _, v := range w.order {
		keys = append(keys, v.leaderKey(), v.learnedKey())
	}
	return keys
}

// page is what the leader shares of the feed.
type page struct {
	heard  time.Time
	seq    uint64
	cursor string
	recent []string
}

func (f *feed) page() page { return page{f.heard, f.seq, f.cursor, f.recent} }

// String returns the page in binary: a checksum (CRC-32, IEEE, of what follows), then the
// time in Unix milliseconds, seq, cursor, the number of events and these. Numbers are
// varints, texts have their lengths before them, so that nothing in a text can be taken for
// something else.
func (p page) String() string {
	out := binary.AppendVarint(make([]byte, 4), p.heard.UnixMilli())
	out = binary.AppendUvarint(out, p.seq)
	out = appendText(out, p.cursor)
	out = binary.AppendUvarint(out, uint64(len(p.recent)))
	for _, event := range p.recent {
		out = appendText(out, event)
	}
	binary.LittleEndian.PutUint32(out, crc32.ChecksumIEEE(out[4:]))
	return string(out)
}

func appendText(out []byte, text string) []byte {
	return append(binary.AppendUvarint(out, uint64(len(text))), text...)
}

// parsePage parses what String returned; false for anything else.
func parsePage(text string) (p page, ok bool) {
	in := []byte(text)
	if len(in) < 4 || binary.LittleEndian.Uint32(in) != crc32.ChecksumIEEE(in[4:]) {
		return page{}, false
	}
	r := reader{in[4:], true}
	p.heard = time.UnixMilli(r.varint())
	p.seq = r.uvarint()
	p.cursor = r.text()
	n := r.uvarint()
	for i := uint64(0); i < n && r.ok; i++ {
		p.recent = append(p.recent, r.text())
	}
	return p, r.ok && len(r.in) == 0 && n <= maxRecent
}

// reader reads a page; ok is false from where it is cut short.
type reader struct {
	in []byte
	ok bool
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.in)
	return v * int64(r.skip(n))
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.in)
	return v * uint64(r.skip(n))
}

// skip passes over a number of n bytes and returns 1, or 0 where there is none.
func (r *reader) skip(n int) int {
	if n <= 0 || !r.ok {
		r.ok = false
		return 0
	}
	r.in = r.in[n:]
	return 1
}

func (r *reader) text() string {
	n := r.uvarint()
	if !r.ok || n > uint64(len(r.in)) {
		r.ok = false
		return ""
	}
	text := string(r.in[:n])
	r.in = r.in[n:]
	return text
}

// term is for how long a leader leads without renewing its lease.
const term = time.Second

// standDown is for how long a leader whose poll failed leaves the lease to the other workers.
// They look for it every Housekeeping.
const standDown = 4 * Housekeeping

// noLeader is the value of a lease that its holder has released.
const noLeader = "-"

// lead decides which worker leads, by the lease in the shared data: the leader's ID and when
// it expires. It returns the lease to write, or "" to leave it as it is. acquired is called
// with whether it was written.
func (f *feed) lead(current string, now time.Time) (next string) {
	name, until, _ := strings.Cut(current, " ")
	millis, err := strconv.ParseInt(until, 10, 64)
	left := millis - now.UnixMilli()
	holds := err == nil && left > 0 && left <= term.Milliseconds() // longer is a clock that was set back
	if within(standDown, f.resigned, now) {
		f.leading = false
		if name == f.id && holds {
			return noLeader
		}
		return ""
	}
	if name != f.id && holds {
		f.leading = false
		return ""
	}
	if name == f.id && holds && left > term.Milliseconds()/2 {
		return ""
	}
	return f.id + " " + strconv.FormatInt(now.Add(term).UnixMilli(), 10)
}

// acquired notes whether what lead returned could be written: others may have been faster.
func (f *feed) acquired(written bool) {
	f.eager = written && (!f.leading || f.eager)
	f.leading = written
}

// Written notes whether a Write with Lease was done, and returns what follows.
func (w *Worker) Written(write Write, done bool, now time.Time) *Output {
	w.begin(nil, false, now)
	if write.Value != noLeader {
		write.service.feed.acquired(done)
		write.service.poll(w)
	}
	return w.end()
}

// tick does a service's part of the housekeeping.
func (v *service) tick(w *Worker, shared []SharedData) {
	if next := v.feed.lead(shared[0].Value, w.now); next != "" {
		w.out.Writes = append(w.out.Writes, Write{Key: v.leaderKey(), Value: next, CAS: shared[0].CAS, Lease: true, service: v})
	}
	v.feed.learn(shared[1].Value, w.now)
	for _, l := range v.each() {
		l.watches.tick(w, l)
	}
}
