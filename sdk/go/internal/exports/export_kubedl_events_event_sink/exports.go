// Package export_kubedl_events_event_sink is called by the generated exports, which want this name and these functions.
package export_kubedl_events_event_sink

import (
	wit "go.bytecodealliance.org/pkg/wit/types"

	contract "kubedl-events.io/sink/internal/contract/kubedl_events_event_sink"
)

// Done is the end of Open and Close, Saved that of SaveEvents.
type (
	Done  = wit.Result[wit.Unit, contract.Error]
	Saved = wit.Result[[]contract.Failure, contract.Error]
)

// Sink is what an author exported, in the contract's types.
var Sink interface {
	Describe() contract.Description
	Open() Done
	SaveEvents(contract.Batch, []contract.Event) Saved
	Close() Done
}

// Describe is an export.
func Describe() contract.Description { return Sink.Describe() }

// Open is an export.
func Open() Done { return Sink.Open() }

// SaveEvents is an export.
func SaveEvents(batch contract.Batch, events []contract.Event) Saved {
	return Sink.SaveEvents(batch, events)
}

// Close is an export.
func Close() Done { return Sink.Close() }
