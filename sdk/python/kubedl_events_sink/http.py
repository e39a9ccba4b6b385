"""Requests to the destination, sent by the host within the operator's grant, and what their answers mean.

Redirects are not followed: a 3xx is an answer. `Host`, `Content-Length` and the like are the host's own to set.
"""

from dataclasses import dataclass, field
from typing import Mapping, Optional, Sequence, Union

from componentize_py_types import Err, Ok
from wit_world.imports import http as host

from .outcomes import milliseconds

Headers = Union[Mapping[str, Union[str, bytes]], Sequence[tuple[str, Union[str, bytes]]]]


@dataclass
class Request:
    """A request. Text is sent as UTF-8."""

    method: str
    """`GET`, `POST`, ..."""
    url: str
    """Absolute, `http` or `https`."""
    headers: Headers = field(default_factory=dict)
    body: Union[str, bytes] = b""
    timeout: Optional[float] = None
    """For the whole exchange, in seconds; never more than the call that it is part of has left."""


@dataclass
class Response:
    """An answer of any status: 4xx and 5xx are answers too."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    truncated: bool
    """The body was longer than the grant allows, and was cut there."""

    def header(self, name: str) -> Optional[str]:
        """The value of the first header of this name, in any case."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def text(self) -> str:
        """The body as UTF-8, with U+FFFD for what is not."""
        return self.body.decode("utf-8", "replace")


@dataclass
class NoAnswer:
    """Why there is no answer. After timeout, interrupted, protocol and other the destination may have acted on the request; after the
    other cases it certainly has not."""

    case: str
    """`denied`, `invalid request`, `request too large`, `dns`, `connect`, `tls`, `proxy`, `not sent`, `timeout`, `interrupted`,
    `protocol` or `other`."""
    words: str = ""


Answer = Union[Response, NoAnswer]

_CASES = {
    host.Error_Denied: "denied",
    host.Error_InvalidRequest: "invalid request",
    host.Error_RequestTooLarge: "request too large",
    host.Error_Dns: "dns",
    host.Error_Connect: "connect",
    host.Error_Tls: "tls",
    host.Error_Proxy: "proxy",
    host.Error_NotSent: "not sent",
    host.Error_Timeout: "timeout",
    host.Error_Interrupted: "interrupted",
    host.Error_Protocol: "protocol",
    host.Error_Other: "other",
}


def send(request: Request) -> Answer:
    """Sends one request and waits for its answer."""
    sent = _to_contract(request)
    try:
        return _response(host.send(sent))
    except Err as error:
        return _no_answer(error.value)


def send_all(requests: Sequence[Request]) -> list[Answer]:
    """Sends many side by side, in no order among them; answers come in the order of the requests.

    After a connect error, 429 or 503 no new request is started, and the rest is `not sent`.
    """
    answers = host.send_all([_to_contract(request) for request in requests])
    return [_response(answer.value) if isinstance(answer, Ok) else _no_answer(answer.value) for answer in answers]


def _to_contract(request: Request) -> host.Request:
    headers = request.headers
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    return host.Request(
        request.method,
        request.url,
        [(name, _to_bytes(value)) for name, value in pairs],
        _to_bytes(request.body),
        milliseconds(request.timeout),
    )


def _to_bytes(value: Union[str, bytes]) -> bytes:
    return value.encode("utf-8", "replace") if isinstance(value, str) else value


def _response(answer: host.Response) -> Response:
    headers = [(name, value.decode("utf-8", "replace")) for name, value in answer.headers]
    return Response(answer.status, headers, answer.body, answer.truncated)


def _no_answer(error: host.Error) -> NoAnswer:
    words = getattr(error, "value", "")
    if isinstance(error, host.Error_RequestTooLarge):
        words = f"at most {error.value} bytes are granted"
    return NoAnswer(_CASES[type(error)], words)


from .settle import settle, settle_all  # noqa: E402  (settle.py needs the classes above)

__all__ = ["Answer", "Headers", "NoAnswer", "Request", "Response", "send", "send_all", "settle", "settle_all"]
