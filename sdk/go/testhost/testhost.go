//go:build !wasip1

// Package testhost plays the host in tests outside a component: the destination and its answers, and events to save.
package testhost

import (
	"testing"

	"kubedl-events.io/sink"
	"kubedl-events.io/sink/http"
	"kubedl-events.io/sink/internal/host"
)

// Played is what a test gives, and what it finds out.
type Played struct {
	// Answers in turn; the last one repeats. Without any, and without a status, it is 200.
	Answers []http.Answer
	// Raw is Kubernetes' own JSON of the events.
	Raw []string
	// Requests that were sent.
	Requests []http.Request
}

// Play plays the host until the test ends; variables are set by t.Setenv. Tests that play can't run in parallel.
func Play(t *testing.T, answers ...http.Answer) *Played {
	t.Helper()
	played := &Played{Answers: answers}
	send, sendAll, raw := host.Send, host.SendAll, host.RawEvent
	t.Cleanup(func() { host.Send, host.SendAll, host.RawEvent = send, sendAll, raw })
	host.Send = played.answer
	host.SendAll = func(requests []host.Request) []host.Answer {
		given := make([]host.Answer, len(requests))
		for i := range requests {
			given[i] = played.answer(&requests[i])
		}
		return given
	}
	host.RawEvent = func(index int) (string, bool) {
		if index >= len(played.Raw) {
			return "", false
		}
		return played.Raw[index], true
	}
	return played
}

func (p *Played) answer(request *host.Request) host.Answer {
	seen := http.Request{Method: request.Method, URL: request.URL, Body: request.Body, Timeout: request.Timeout}
	for _, header := range request.Headers {
		seen.Headers = append(seen.Headers, http.Header{Name: header.Name, Value: string(header.Value)})
	}
	p.Requests = append(p.Requests, seen)
	var answer http.Answer
	if len(p.Answers) > 0 {
		answer = p.Answers[min(len(p.Requests), len(p.Answers))-1]
	}
	if answer.Err != nil {
		return host.Answer{Err: &host.Error{Case: uint8(answer.Err.Case), Words: answer.Err.Words, Limit: answer.Err.Limit}}
	}
	response := host.Response{Status: uint16(answer.Status), Body: answer.Body, Truncated: answer.Truncated}
	if response.Status == 0 {
		response.Status = 200
	}
	for _, header := range answer.Headers {
		response.Headers = append(response.Headers, host.Header{Name: header.Name, Value: []byte(header.Value)})
	}
	return host.Answer{Response: &response}
}

// Event is a whole event, to change in a test.
func Event() sink.Event {
	at := sink.Timestamp{Seconds: 1_795_429_966}
	return sink.Event{
		UID: "u-1", ResourceVersion: "4711", Namespace: "train", Name: "p.17a", Type: "Warning", Reason: "BackOff", Message: "m", Count: 1,
		FirstTimestamp: at, LastTimestamp: at, ObservedAt: at, Regarding: sink.Object{Kind: "Pod", Namespace: "train", Name: "p"},
	}
}
