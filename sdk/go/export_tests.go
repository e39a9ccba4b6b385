//go:build !wasip1

package sink

// Export makes a sink the component's. Outside a component, in tests, it does nothing.
func Export(Sink) {}
