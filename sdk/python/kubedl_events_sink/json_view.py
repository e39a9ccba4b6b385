"""The JSON view of an event: the keys of the sink `stdout`, in its order."""

from datetime import datetime, timedelta
from typing import Any

from .events import Event, ObjectReference, Timestamp

EPOCH = datetime(1970, 1, 1)
EARLIEST = -62_135_596_800
LATEST = 253_402_300_799
"""0001-01-01T00:00:00Z and 9999-12-31T23:59:59Z: what four digits of a year can say; others become the nearest."""


def json_view(event: Event) -> dict[str, Any]:
    """An event for `json.dumps`. What is optional and empty is left out."""
    view: dict[str, Any] = {
        "lastTimestamp": rfc3339(event.last_timestamp),
        "type": event.type,
        "reason": event.reason,
        "regarding": _reference(event.regarding),
        "message": event.message,
        "count": event.count,
        "firstTimestamp": rfc3339(event.first_timestamp),
        "observedAt": rfc3339(event.observed_at),
        "namespace": event.namespace,
        "name": event.name,
        "uid": event.uid,
        "resourceVersion": event.resource_version,
    }
    _put_filled(view, component=event.component, host=event.host, instance=event.instance, action=event.action)
    if event.related is not None:
        view["related"] = _reference(event.related)
    if event.job is not None:
        view["job"] = _reference(event.job)
    if event.region is not None:
        view["region"] = event.region
    if event.cluster is not None:
        view["cluster"] = event.cluster
    if event.labels:
        view["labels"] = dict(sorted(dict(event.labels).items()))
    return view


def rfc3339(moment: Timestamp) -> str:
    """RFC 3339 in UTC, with as many digits after the second as there are."""
    seconds = min(max(moment.seconds, EARLIEST), LATEST)
    whole = (EPOCH + timedelta(seconds=seconds)).isoformat(timespec="seconds")
    if moment.nanoseconds == 0:
        return f"{whole}Z"
    return f"{whole}.{moment.nanoseconds:09}".rstrip("0") + "Z"


def _reference(of: ObjectReference) -> dict[str, str]:
    view: dict[str, str] = {}
    _put_filled(
        view,
        kind=of.kind,
        namespace=of.namespace,
        name=of.name,
        uid=of.uid,
        apiVersion=of.api_version,
        fieldPath=of.field_path,
    )
    return view


def _put_filled(view: dict[str, Any], **fields: str) -> None:
    view.update((key, value) for key, value in fields.items() if value)
