// Package env is the sink's environment: what the operator's grant gives, nothing else.
package env

import (
	"os"

	"kubedl-events.io/sink"
)

// Get is the value of a variable; empty where it is unset or empty.
func Get(name string) string { return os.Getenv(name) }

// Require is as Get, for a variable that must be there: the error is *sink.Misconfigured, "the variable NAME is not set".
func Require(name string) (string, error) {
	if value := Get(name); value != "" {
		return value, nil
	}
	return "", &sink.Misconfigured{Reason: "the variable " + name + " is not set"}
}
