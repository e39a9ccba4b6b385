package sink

import "kubedl-events.io/sink/internal/host"

// RawEvent is the event at this place of the batch that is being saved as Kubernetes' own JSON (core/v1, without managedFields). False
// beyond the end of the batch, and outside Save.
func RawEvent(index int) (string, bool) { return host.RawEvent(index) }
