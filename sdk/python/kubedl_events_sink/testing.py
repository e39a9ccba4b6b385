"""For tests of a sink in Python itself: a host that plays the destination, and events to save."""

import os
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Iterator, Mapping, Optional, Sequence, Union
from unittest import mock

from componentize_py_types import Err, Ok
from wit_world.imports import http as host
from wit_world.imports import raw_event as raw_host

from .events import Event, ObjectReference, Timestamp
from .http import Request

Played = Union[host.Response, host.Error]


@dataclass
class Seen:
    """What the destination has seen, with the names of headers in lower case."""

    requests: list[Request]


def response(status: int = 200, headers: Optional[Mapping[str, str]] = None, body: Union[str, bytes] = b"", truncated: bool = False) -> Played:
    """An answer for `fake_host`."""
    pairs = [(name, value.encode()) for name, value in (headers or {}).items()]
    return host.Response(status, pairs, body.encode() if isinstance(body, str) else body, truncated)


@contextmanager
def fake_host(env: Optional[Mapping[str, str]] = None, answers: Sequence[Played] = (), raw: Sequence[str] = ()) -> Iterator[Seen]:
    """Plays the host inside a `with`: these variables and no others, these answers in turn (the last one repeats; 200 if there is none),
    this raw JSON of events. Errors are those of `wit_world.imports.http`."""
    seen = Seen([])

    def answer(request: host.Request) -> Played:
        headers = {name.lower(): value.decode() for name, value in request.headers}
        timeout = None if request.timeout_ms is None else request.timeout_ms / 1000
        seen.requests.append(Request(request.method, request.url, headers, request.body, timeout))
        return answers[min(len(seen.requests), len(answers)) - 1] if answers else response()

    def send(request: host.Request) -> host.Response:
        answered = answer(request)
        if isinstance(answered, host.Response):
            return answered
        raise Err(answered)

    def send_all(requests: Sequence[host.Request]) -> list[Any]:
        answered = [answer(request) for request in requests]
        return [Ok(one) if isinstance(one, host.Response) else Err(one) for one in answered]

    def get(index: int) -> Optional[str]:
        return raw[index] if index < len(raw) else None

    with (
        mock.patch.object(host, "send", send),
        mock.patch.object(host, "send_all", send_all),
        mock.patch.object(raw_host, "get", get),
        mock.patch.dict(os.environ, env or {}, clear=True),
    ):
        yield seen


def fake_event(**fields: Any) -> Event:
    """A whole event, with these fields instead of its own."""
    at = Timestamp(1_795_429_966, 0)
    event = Event(
        uid="u-1",
        resource_version="4711",
        namespace="train",
        name="p.17a",
        type="Warning",
        reason="BackOff",
        action="",
        message="m",
        count=1,
        first_timestamp=at,
        last_timestamp=at,
        observed_at=at,
        component="",
        host="",
        instance="",
        regarding=fake_object(kind="Pod", namespace="train", name="p"),
        related=None,
        job=None,
        region=None,
        cluster=None,
        labels=[],
        attributes=[],
    )
    return replace(event, **fields)


def fake_object(**fields: str) -> ObjectReference:
    """An object reference with these fields; the others are empty."""
    return replace(ObjectReference("", "", "", "", "", ""), **fields)
