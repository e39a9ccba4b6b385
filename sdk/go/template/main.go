// Command my-sink is a sink of kubedl-events: it posts each batch of Kubernetes events as CloudEvents (https://cloudevents.io, version 1.0).
package main

import (
	"encoding/json"
	"strings"

	"kubedl-events.io/sink"
	"kubedl-events.io/sink/env"
	"kubedl-events.io/sink/http"
)

func init() { sink.Export(&webhook{}) }

func main() {}

// webhook posts to WEBHOOK_URL.
type webhook struct {
	sink.Base
	url, token string
}

func (*webhook) Describe() sink.Description {
	return sink.Description{
		Name:    "my-sink",
		Version: "0.1.0",
		Summary: "Posts events as CloudEvents, a batch a request",
		Env: []sink.EnvVar{
			{Name: "WEBHOOK_URL", Help: "URL that takes CloudEvents batches by POST.", Required: true, Secret: true},
			{Name: "WEBHOOK_TOKEN", Help: "Sent as Authorization: Bearer TOKEN.", Secret: true},
		},
		Hosts:       []string{"${WEBHOOK_URL}"},
		BatchEvents: 500,
		BatchBytes:  1 << 20,
	}
}

func (w *webhook) Open() (err error) {
	w.token = env.Get("WEBHOOK_TOKEN")
	w.url, err = env.Require("WEBHOOK_URL")
	return err
}

func (w *webhook) Save(_ sink.Batch, events []sink.Event) ([]sink.Failure, error) {
	batch := make([]cloudEvent, len(events))
	for i, event := range events {
		batch[i] = newCloudEvent(event)
	}
	body, err := json.Marshal(batch)
	if err != nil {
		return nil, &sink.Refused{Reason: "cannot write the events as JSON: " + err.Error()}
	}
	headers := []http.Header{{Name: "Content-Type", Value: "application/cloudevents-batch+json"}}
	if w.token != "" {
		headers = append(headers, http.Header{Name: "Authorization", Value: "Bearer " + w.token})
	}
	return nil, http.Settle(http.Send(http.Request{Method: "POST", URL: w.url, Headers: headers, Body: body}))
}

// cloudEvent is one version of a Kubernetes event. Source and ID are the same at each try, so that the receiver can tell a repetition.
type cloudEvent struct {
	SpecVersion     string     `json:"specversion"`
	ID              string     `json:"id"`
	Source          string     `json:"source"`
	Type            string     `json:"type"`
	Subject         string     `json:"subject,omitempty"`
	Time            string     `json:"time"`
	DataContentType string     `json:"datacontenttype"`
	Data            sink.Event `json:"data"`
}

func newCloudEvent(event sink.Event) cloudEvent {
	cluster := "default"
	if event.Cluster != nil {
		cluster = *event.Cluster
	}
	return cloudEvent{
		SpecVersion:     "1.0",
		ID:              event.UID + "/" + event.ResourceVersion,
		Source:          "/clusters/" + cluster + "/namespaces/" + event.Namespace + "/events/" + event.Name,
		Type:            "io.k8s.event.v1",
		Subject:         subject(event.Regarding),
		Time:            event.LastTimestamp.String(),
		DataContentType: "application/json",
		Data:            event,
	}
}

// subject is Pod/train/p, or Node/n for an object of the whole cluster.
func subject(object sink.Object) string {
	var parts []string
	for _, part := range []string{object.Kind, object.Namespace, object.Name} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, "/")
}
