//go:build !wasip1

package host

// What package testhost plays.
var (
	Send     = func(*Request) Answer { panic("there is no host outside a component: call testhost.Play first") }
	SendAll  = func([]Request) []Answer { panic("there is no host outside a component: call testhost.Play first") }
	RawEvent = func(int) (string, bool) { return "", false }
)
