// Package http sends requests to the destination, by the host and within the operator's grant, and says what their answers mean.
//
// Redirects are not followed: a 3xx is an answer. Host, Content-Length and the like are the host's own to set.
package http

import (
	"strings"
	"time"

	"kubedl-events.io/sink/internal/host"
)

// A Request to the destination.
type Request struct {
	// Method is GET, POST, ...
	Method string
	// URL is absolute, http or https.
	URL     string
	Headers []Header
	Body    []byte
	// Timeout is for the whole exchange; 0: what the call that it is part of has left.
	Timeout time.Duration
}

// A Header of a request or of an answer.
type Header struct{ Name, Value string }

// An Answer is a response of any status (4xx and 5xx too), or Err says why there is none.
type Answer struct {
	Status  int
	Headers []Header
	Body    []byte
	// Truncated: the body was longer than the grant allows, and was cut there.
	Truncated bool
	Err       *Error
}

// Case is a kind of Error.
type Case uint8

// After Timeout, Interrupted, Protocol and Other the destination may have acted on the request; after the others it certainly has not.
const (
	Denied          = Case(host.Denied)
	InvalidRequest  = Case(host.InvalidRequest)
	RequestTooLarge = Case(host.RequestTooLarge)
	DNS             = Case(host.DNS)
	Connect         = Case(host.Connect)
	TLS             = Case(host.TLS)
	Proxy           = Case(host.Proxy)
	NotSent         = Case(host.NotSent)
	Timeout         = Case(host.Timeout)
	Interrupted     = Case(host.Interrupted)
	Protocol        = Case(host.Protocol)
	Other           = Case(host.Other)
)

var names = [...]string{"denied", "invalid request", "request too large", "dns", "connect", "tls", "proxy", "not sent", "timeout",
	"interrupted", "protocol", "other"}

func (c Case) String() string {
	if int(c) < len(names) {
		return names[c]
	}
	return "other"
}

// Error is why there is no answer.
type Error struct {
	Case  Case
	Words string
	// Limit is the most bytes that are granted, for RequestTooLarge.
	Limit uint64
}

func (e *Error) Error() string {
	if e.Words == "" {
		return e.Case.String()
	}
	return e.Case.String() + ": " + e.Words
}

// Header is the value of the first header of this name, in any case; empty where there is none.
func (a *Answer) Header(name string) string {
	for _, header := range a.Headers {
		if strings.EqualFold(header.Name, name) {
			return header.Value
		}
	}
	return ""
}

// Send sends one request and waits for its answer.
func Send(request Request) Answer {
	sent := toHost(&request)
	return fromHost(host.Send(&sent))
}

// SendAll sends many side by side, in no order among them; answers come in the order of the requests. After a connect error, 429 or 503 no
// new request is started, and the rest is NotSent.
func SendAll(requests []Request) []Answer {
	sent := make([]host.Request, len(requests))
	for i := range requests {
		sent[i] = toHost(&requests[i])
	}
	answers := make([]Answer, len(requests))
	for i, answer := range host.SendAll(sent) {
		answers[i] = fromHost(answer)
	}
	return answers
}

func toHost(request *Request) host.Request {
	headers := make([]host.Header, len(request.Headers))
	for i, header := range request.Headers {
		headers[i] = host.Header{Name: header.Name, Value: []byte(header.Value)}
	}
	return host.Request{Method: request.Method, URL: request.URL, Headers: headers, Body: request.Body, Timeout: request.Timeout}
}

func fromHost(answer host.Answer) Answer {
	if answer.Err != nil {
		return Answer{Err: &Error{Case(answer.Err.Case), answer.Err.Words, answer.Err.Limit}}
	}
	headers := make([]Header, len(answer.Response.Headers))
	for i, header := range answer.Response.Headers {
		headers[i] = Header{header.Name, string(header.Value)}
	}
	return Answer{Status: int(answer.Response.Status), Headers: headers, Body: answer.Response.Body, Truncated: answer.Response.Truncated}
}
