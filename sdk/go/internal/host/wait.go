package host

import (
	"math"
	"time"
)

// milliseconds that the contract can say.
func milliseconds(timeout time.Duration) uint32 {
	return uint32(min(int64((timeout+time.Millisecond-1)/time.Millisecond), math.MaxUint32))
}
