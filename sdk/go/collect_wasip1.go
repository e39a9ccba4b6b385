package sink

import (
	"runtime"
	"runtime/debug"
)

// The collector reads a clock, and nothing may be called while the host copies arguments in (cabi_realloc): the instance would trap. So it
// runs only where it is called, which is inside an export.
func init() { debug.SetGCPercent(-1) }

// smallestHeap is not worth a collection.
const smallestHeap = 4 << 20

var collectAbove uint64 = smallestHeap

// collect runs the collector when the heap, garbage included, is twice what was left last time.
func collect() {
	var memory runtime.MemStats
	if runtime.ReadMemStats(&memory); memory.HeapAlloc < collectAbove {
		return
	}
	runtime.GC()
	runtime.ReadMemStats(&memory)
	collectAbove = max(smallestHeap, 2*memory.HeapAlloc)
}
