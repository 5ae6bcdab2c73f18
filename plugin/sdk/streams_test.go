package upstreamgo

import (
	"math/rand/v2"
	"testing"

	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/types"
)

type numbered struct {
	types.DefaultHttpContext
	n int
}

// TestStreamTable compares the table with a map, with increasing ids while some streams stay open
// for long.
func TestStreamTable(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var table streamTable
	want := map[uint32]types.HttpContext{}
	shared := false
	for id := uint32(1); id < 20_000; id++ {
		c := &numbered{n: int(id)}
		table.put(id, c)
		want[id] = c
		for gone := range want {
			if len(want) < 400 || random.IntN(3) > 0 {
				break
			}
			if !table.remove(gone) || table.remove(gone) {
				t.Fatalf("%d of %d: is removed not once", gone, id)
			}
			delete(want, gone)
		}
		for _, lookedUp := range []uint32{id, uint32(random.IntN(int(id + 10)))} {
			if got := table.get(lookedUp); got != want[lookedUp] {
				t.Fatalf("%d of %d: got %v, want %v", lookedUp, id, got, want[lookedUp])
			}
		}
		shared = shared || len(table.more) > 0
	}
	if !shared || len(table.more) > len(want) {
		t.Errorf("%d streams beside the slots of %d", len(table.more), len(want))
	}
}
