package host

import (
	wit "go.bytecodealliance.org/pkg/wit/types"

	http "kubedl-events.io/sink/internal/contract/kubedl_events_http"
	raw "kubedl-events.io/sink/internal/contract/kubedl_events_raw_event"
)

type result = wit.Result[http.Response, http.Error]

// Send sends one request.
func Send(request *Request) Answer { return answer(http.Send(toContract(request))) }

// SendAll sends many.
func SendAll(requests []Request) []Answer {
	sent := make([]http.Request, len(requests))
	for i := range requests {
		sent[i] = toContract(&requests[i])
	}
	results := http.SendAll(sent)
	answers := make([]Answer, len(results))
	for i, one := range results {
		answers[i] = answer(one)
	}
	return answers
}

// RawEvent is an event of the batch as Kubernetes has it.
func RawEvent(index int) (string, bool) {
	text := raw.Get(uint32(index))
	return text.SomeOr(""), text.IsSome()
}

func toContract(request *Request) http.Request {
	headers := make([]wit.Tuple2[string, []uint8], len(request.Headers))
	for i, header := range request.Headers {
		headers[i] = wit.Tuple2[string, []uint8]{F0: header.Name, F1: header.Value}
	}
	timeout := wit.None[uint32]()
	if request.Timeout > 0 {
		timeout = wit.Some(milliseconds(request.Timeout))
	}
	return http.Request{Method: request.Method, Url: request.URL, Headers: headers, Body: request.Body, TimeoutMs: timeout}
}

func answer(from result) Answer {
	if from.IsErr() {
		return Answer{Err: cause(from.Err())}
	}
	response := from.Ok()
	headers := make([]Header, len(response.Headers))
	for i, header := range response.Headers {
		headers[i] = Header{header.F0, header.F1}
	}
	return Answer{Response: &Response{response.Status, headers, response.Body, response.Truncated}}
}

func cause(from http.Error) *Error {
	words := map[uint8]func() string{
		Denied: from.Denied, InvalidRequest: from.InvalidRequest, DNS: from.Dns, Connect: from.Connect, TLS: from.Tls, Proxy: from.Proxy,
		NotSent: from.NotSent, Interrupted: from.Interrupted, Protocol: from.Protocol, Other: from.Other,
	}
	made := &Error{Case: from.Tag()}
	if from.Tag() == RequestTooLarge {
		made.Limit = from.RequestTooLarge()
	} else if text, has := words[from.Tag()]; has {
		made.Words = text()
	}
	return made
}
