"""The sink my-sink: posts each batch of Kubernetes events as CloudEvents (https://cloudevents.io, version 1.0)."""

import json
from typing import Any

from kubedl_events_sink import Batch, Description, EnvVar, Event, Failure, Sink, env, export, http, json_view, rfc3339


class Webhook(Sink):
    """Posts to WEBHOOK_URL."""

    def describe(self) -> Description:
        return Description(
            name="my-sink",
            version="0.1.0",
            summary="Posts events as CloudEvents, a batch a request",
            env=[
                EnvVar("WEBHOOK_URL", "URL that takes CloudEvents batches by POST.", required=True, secret=True),
                EnvVar("WEBHOOK_TOKEN", "Sent as Authorization: Bearer TOKEN.", secret=True),
            ],
            hosts=["${WEBHOOK_URL}"],
            batch_events=500,
            batch_bytes=1024 * 1024,
        )

    def open(self) -> None:
        self.url = env.require("WEBHOOK_URL")
        self.token = env.get("WEBHOOK_TOKEN")

    def save(self, batch: Batch, events: list[Event]) -> list[Failure]:
        headers = {"Content-Type": "application/cloudevents-batch+json"}
        if self.token is not None:
            headers["Authorization"] = f"Bearer {self.token}"
        body = json.dumps([cloud_event(event) for event in events], ensure_ascii=False, separators=(",", ":"))
        http.settle(http.send(http.Request("POST", self.url, headers, body)))  # raises unless the batch is stored
        return []


def cloud_event(event: Event) -> dict[str, Any]:
    """`source` and `id` are the same at each try of an event, so that the receiver can tell a repetition."""
    about = event.regarding
    subject = "/".join(part for part in (about.kind, about.namespace, about.name) if part)
    return {
        "specversion": "1.0",
        "id": f"{event.uid}/{event.resource_version}",
        "source": f"/clusters/{event.cluster or 'default'}/namespaces/{event.namespace}/events/{event.name}",
        "type": "io.k8s.event.v1",
        **({"subject": subject} if subject else {}),
        "time": rfc3339(event.last_timestamp),
        "datacontenttype": "application/json",
        "data": json_view(event),
    }


EventSink = export(Webhook)
