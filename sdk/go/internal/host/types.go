// Package host has the host's functions: in a component those that it imports, in tests those that testhost plays.
package host

import "time"

// Header is a name and its value.
type Header struct {
	Name  string
	Value []byte
}

// Request is what goes to the host.
type Request struct {
	Method, URL string
	Headers     []Header
	Body        []byte
	Timeout     time.Duration
}

// Response is what came back.
type Response struct {
	Status    uint16
	Headers   []Header
	Body      []byte
	Truncated bool
}

// Error is why nothing came back: the contract's case, and its text.
type Error struct {
	Case  uint8
	Words string
	Limit uint64
}

// The contract's cases, in its order.
const (
	Denied uint8 = iota
	InvalidRequest
	RequestTooLarge
	DNS
	Connect
	TLS
	Proxy
	NotSent
	Timeout
	Interrupted
	Protocol
	Other
)

// Answer is one of both.
type Answer struct {
	Response *Response
	Err      *Error
}
