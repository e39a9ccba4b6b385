"""Sinks of kubedl-events in Python: derive from `Sink`, and say `EventSink = export(YourSink)`."""

from . import env, http
from .events import Batch, Event, ObjectReference, Timestamp, raw_event
from .json_view import json_view, rfc3339
from .outcomes import Failure, Misconfigured, Refused, Retry, SinkError
from .sink import Description, EnvVar, Sink, export

__all__ = [
    "Batch",
    "Description",
    "EnvVar",
    "Event",
    "Failure",
    "Misconfigured",
    "ObjectReference",
    "Refused",
    "Retry",
    "Sink",
    "SinkError",
    "Timestamp",
    "env",
    "export",
    "http",
    "json_view",
    "raw_event",
    "rfc3339",
]
