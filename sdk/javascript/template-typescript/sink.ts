// Posts events as batches of CloudEvents (https://cloudevents.io, version 1.0) to WEBHOOK_URL.
import { defineSink, env, http, json, rfc3339 } from "@kubedl-events/sink";
import type { Batch, Event, EventView, Failure } from "@kubedl-events/sink";

export const eventSink = defineSink({
  describe: () => ({
    name: "my-sink",
    version: "0.1.0",
    summary: "Posts events to a webhook, as batches of CloudEvents",
    env: [
      { name: "WEBHOOK_URL", help: "URL that takes CloudEvents batches by POST", required: true, secret: true },
      { name: "WEBHOOK_TOKEN", help: "Sent as Authorization: Bearer TOKEN", secret: true },
    ],
    hosts: ["${WEBHOOK_URL}"],
    batchEvents: 500,
    batchBytes: 1024 * 1024,
  }),

  open() {
    env.require("WEBHOOK_URL");
  },

  save(_batch: Batch, events: Event[]): Failure[] {
    const answer = http.send({
      method: "POST",
      url: env.require("WEBHOOK_URL"),
      headers: { "Content-Type": "application/cloudevents-batch+json", ...authorization() },
      body: JSON.stringify(events.map(cloudEvent)),
    });
    http.settle(answer); // throws unless the destination has stored the batch
    return [];
  },
});

function authorization(): Record<string, string> {
  const token = env.get("WEBHOOK_TOKEN");
  return token === undefined ? {} : { Authorization: `Bearer ${token}` };
}

/** `id` and `source` are the same for each try of an event, so that the receiver can tell a repetition. */
export function cloudEvent(event: Event): CloudEvent {
  const { kind, namespace, name } = event.regarding;
  const subject = [kind, namespace, name].filter((part) => part !== "").join("/");
  return {
    specversion: "1.0",
    id: `${event.uid}/${event.resourceVersion}`,
    source: `/clusters/${event.cluster ?? "default"}/namespaces/${event.namespace}/events/${event.name}`,
    type: "io.k8s.event.v1",
    subject: subject === "" ? undefined : subject, // JSON leaves undefined out
    time: rfc3339(event.lastTimestamp),
    datacontenttype: "application/json",
    data: json(event),
  };
}

/** What the specification asks for, and what is in it here. */
export interface CloudEvent {
  specversion: "1.0";
  id: string;
  source: string;
  type: "io.k8s.event.v1";
  subject: string | undefined;
  time: string;
  datacontenttype: "application/json";
  data: EventView;
}
