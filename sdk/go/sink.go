// Package sink is what a sink of kubedl-events in Go is made of: implement [Sink], and say sink.Export(&yours{}) in an init function of
// package main, whose main does nothing.
//
// An author need not know of the collector: it runs inside Save alone, where the contract permits it.
package sink

// A Sink is what an author writes. All calls block; none overlaps another on the same instance. No goroutine goes on between calls.
//
// Errors are [Retry], [Refused] and [Misconfigured], also wrapped. Any other error is a bug, as a panic is: it ends the instance, its text goes
// to the host's log, and the host tries the events again in smaller and smaller batches to find the one to blame.
type Sink interface {
	// Describe must answer without environment, network, or Open.
	Describe() Description
	// Open is called once before the first Save: read the environment, check it, no more than one round trip.
	Open() error
	// Save stores these events. It returns those that were not stored; all others must be where the error is nil.
	Save(batch Batch, events []Event) ([]Failure, error)
	// Close is the last call, if there is one.
	Close() error
}

// Base has an Open and a Close that do nothing, to embed.
type Base struct{}

// Open does nothing.
func (Base) Open() error { return nil }

// Close does nothing.
func (Base) Close() error { return nil }

// Description is what the sink is and wants. Wishes only: what it gets is in the operator's grant.
type Description struct {
	Name string
	// Version is the sink's own.
	Version string
	// Summary is one line.
	Summary string
	Env     []EnvVar
	// Hosts are destinations in the form of a grant, over variables of Env: https://${SLS_PROJECT}.${SLS_ENDPOINT}.
	Hosts []string
	// BatchEvents is the largest number of events that the sink likes at once; 0 means no wish.
	BatchEvents uint32
	// BatchBytes is the same in bytes, counted as the events' JSON; 0 means no wish.
	BatchBytes uint64
}

// EnvVar is an environment variable that the sink reads.
type EnvVar struct {
	Name string
	// Help is one sentence for the operator.
	Help string
	// Required: Open fails without it.
	Required bool
	// Secret: its value must not be shown.
	Secret bool
}

// Batch is about the call, not about the events.
type Batch struct {
	// Attempt is 0 at the first try of these events, one more at each further try.
	Attempt uint32
	// MaybeSent: a try before may have stored some of them; also after a restart, or when an instance died.
	MaybeSent  bool
	Attributes []Pair
}
