package main

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"

	"kubedl-events.io/sink"
	"kubedl-events.io/sink/http"
	"kubedl-events.io/sink/testhost"
)

// save opens the sink and saves events.
func save(t *testing.T, events ...sink.Event) error {
	t.Helper()
	t.Setenv("WEBHOOK_URL", "https://hooks.example.com/in")
	t.Setenv("WEBHOOK_TOKEN", "t")
	w := &webhook{}
	if err := w.Open(); err != nil {
		t.Fatal(err)
	}
	failures, err := w.Save(sink.Batch{}, events)
	if len(failures) > 0 {
		t.Errorf("there are failures: %v", failures)
	}
	return err
}

func TestABatchIsOneRequestWithTheToken(t *testing.T) {
	host := testhost.Play(t, http.Answer{Status: 202})
	if err := save(t, testhost.Event(), testhost.Event()); err != nil {
		t.Error(err)
	}
	if len(host.Requests) != 1 || host.Requests[0].URL != "https://hooks.example.com/in" {
		t.Fatalf("the requests are %v", host.Requests)
	}
	wanted := []http.Header{{Name: "Content-Type", Value: "application/cloudevents-batch+json"}, {Name: "Authorization", Value: "Bearer t"}}
	if found := host.Requests[0].Headers; !slices.Equal(found, wanted) {
		t.Errorf("the headers are %v", found)
	}
	var body []map[string]any
	if err := json.Unmarshal(host.Requests[0].Body, &body); err != nil || len(body) != 2 || body[0]["id"] != "u-1/4711" {
		t.Errorf("the body is %s: %v", host.Requests[0].Body, err)
	}
}

func TestADestinationThatIsBusyIsAskedAgainNotEarlierThanItSays(t *testing.T) {
	testhost.Play(t, http.Answer{Status: 429, Headers: []http.Header{{Name: "Retry-After", Value: "7"}}})
	var retry *sink.Retry
	if err := save(t, testhost.Event()); !errors.As(err, &retry) || retry.After != 7*time.Second {
		t.Errorf("the error is %v", err)
	}
}

func TestTheSinkDoesNotOpenWithoutItsURL(t *testing.T) {
	t.Setenv("WEBHOOK_URL", "")
	err := new(webhook).Open()
	var misconfigured *sink.Misconfigured
	if !errors.As(err, &misconfigured) || err.Error() != "the variable WEBHOOK_URL is not set" {
		t.Errorf("the error is %v", err)
	}
}

func TestAnEventOfANodeHasNoNamespaceInItsSubject(t *testing.T) {
	event := testhost.Event()
	event.Regarding = sink.Object{Kind: "Node", Name: "n1"}
	if found := newCloudEvent(event).Subject; found != "Node/n1" {
		t.Errorf("the subject is %q", found)
	}
}
