package sink

import (
	"errors"
	"time"

	wit "go.bytecodealliance.org/pkg/wit/types"

	contract "kubedl-events.io/sink/internal/contract/kubedl_events_event_sink"
	"kubedl-events.io/sink/internal/contract/kubedl_events_types"
	_ "kubedl-events.io/sink/internal/contract/wit_exports"
	exports "kubedl-events.io/sink/internal/exports/export_kubedl_events_event_sink"
)

// Export makes a sink the component's: call it in an init function of package main.
func Export(sink Sink) { exports.Sink = exported{sink} }

type exported struct{ sink Sink }

func (e exported) Describe() contract.Description {
	from := e.sink.Describe()
	env := make([]contract.EnvVar, len(from.Env))
	for i, v := range from.Env {
		env[i] = contract.EnvVar{Name: v.Name, Help: v.Help, Required: v.Required, Secret: v.Secret}
	}
	return contract.Description{
		Name: from.Name, Version: from.Version, Summary: from.Summary, Env: env, Hosts: from.Hosts,
		BatchEvents: from.BatchEvents, BatchBytes: from.BatchBytes,
	}
}

func (e exported) Open() exports.Done { return done(e.sink.Open()) }

func (e exported) Close() exports.Done { return done(e.sink.Close()) }

func (e exported) SaveEvents(batch contract.Batch, events []contract.Event) exports.Saved {
	collect()
	given := make([]Event, len(events))
	for i := range events {
		given[i] = event(&events[i])
	}
	failures, err := e.sink.Save(Batch{batch.Attempt, batch.MaybeSent, pairs(batch.Attributes)}, given)
	if err != nil {
		return wit.Err[[]contract.Failure](toContract(err))
	}
	failed := make([]contract.Failure, len(failures))
	for i, failure := range failures {
		failed[i] = contract.Failure{Index: uint32(failure.Index), Retryable: failure.Retryable, AfterMs: after(failure.After), Reason: failure.Reason}
	}
	return wit.Ok[[]contract.Failure, contract.Error](failed)
}

func done(err error) exports.Done {
	if err != nil {
		return wit.Err[wit.Unit](toContract(err))
	}
	return wit.Ok[wit.Unit, contract.Error](wit.Unit{})
}

// toContract panics for an error that is none of the SDK's: a bug of the sink ends the instance, and is seen.
func toContract(err error) contract.Error {
	var retry *Retry
	var refused *Refused
	var misconfigured *Misconfigured
	switch {
	case errors.As(err, &retry):
		return contract.MakeErrorRetry(contract.Retry{Reason: err.Error(), AfterMs: after(retry.After)})
	case errors.As(err, &refused):
		return contract.MakeErrorRefused(err.Error())
	case errors.As(err, &misconfigured):
		return contract.MakeErrorMisconfigured(err.Error())
	}
	panic("the sink's error is none of Retry, Refused and Misconfigured: " + err.Error())
}

func after(wait time.Duration) wit.Option[uint32] {
	if wait <= 0 {
		return wit.None[uint32]()
	}
	return wit.Some(Milliseconds(wait))
}

func event(from *contract.Event) Event {
	return Event{
		UID: from.Uid, ResourceVersion: from.ResourceVersion, Namespace: from.Namespace, Name: from.Name, Type: from.Type, Reason: from.Reason,
		Action: from.Action, Message: from.Message, Count: from.Count, FirstTimestamp: Timestamp(from.FirstTimestamp),
		LastTimestamp: Timestamp(from.LastTimestamp), ObservedAt: Timestamp(from.ObservedAt), Component: from.Component, Host: from.Host,
		Instance: from.Instance, Regarding: object(from.Regarding), Related: optional(from.Related, object), Job: optional(from.Job, object),
		Region: optional(from.Region, same), Cluster: optional(from.Cluster, same), Labels: pairs(from.Labels), Attributes: pairs(from.Attributes),
	}
}

func object(from kubedl_events_types.ObjectReference) Object {
	return Object{APIVersion: from.ApiVersion, Kind: from.Kind, Namespace: from.Namespace, Name: from.Name, UID: from.Uid, FieldPath: from.FieldPath}
}

func same(text string) string { return text }

func optional[From, To any](from wit.Option[From], as func(From) To) *To {
	if from.IsNone() {
		return nil
	}
	to := as(from.Some())
	return &to
}

func pairs(from []wit.Tuple2[string, string]) []Pair {
	to := make([]Pair, len(from))
	for i, pair := range from {
		to[i] = Pair{pair.F0, pair.F1}
	}
	return to
}
