package sink

import (
	"math"
	"time"
)

// Retry: nothing is known to be stored; try the same events again.
type Retry struct {
	// Reason is for the operator.
	Reason string
	// After: not earlier than so long from now; 0 leaves it to the host.
	After time.Duration
}

func (e *Retry) Error() string { return e.Reason }

// Refused: nothing was stored, and never will be as a whole; the host looks for the event to blame.
type Refused struct{ Reason string }

func (e *Refused) Error() string { return e.Reason }

// Misconfigured: a person must mend settings, credentials or the destination; the events wait.
type Misconfigured struct{ Reason string }

func (e *Misconfigured) Error() string { return e.Reason }

// Failure is one event that was not stored.
type Failure struct {
	// Index is its place in the list that was given.
	Index int
	// Retryable: try it again. Otherwise it never will be stored; the host keeps it among the sink's dead letters.
	Retryable bool
	// After, for a retry: not earlier than so long from now; 0 leaves it to the host.
	After time.Duration
	// Reason is for the operator.
	Reason string
}

// Milliseconds is a time as the contract counts it, with 32 bits, never less than asked for; 49 days are long enough to wait.
func Milliseconds(after time.Duration) uint32 {
	ms := (max(after, 0) + time.Millisecond - 1) / time.Millisecond
	if after > math.MaxInt64-time.Millisecond || ms > math.MaxUint32 {
		return math.MaxUint32
	}
	return uint32(ms)
}
