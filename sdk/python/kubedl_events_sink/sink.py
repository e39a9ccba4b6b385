"""From an author's class to what the contract's world exports."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, Callable, NoReturn, Sequence

from componentize_py_types import Err
from wit_world.exports import event_sink as contract

from .events import Batch, Event
from .outcomes import Failure, Misconfigured, Refused, Retry, SinkError, milliseconds


@dataclass
class EnvVar:
    """An environment variable that the sink reads."""

    name: str
    help: str
    """One sentence for the operator."""
    required: bool = False
    """`open` fails without it."""
    secret: bool = False
    """Its value must not be shown."""


@dataclass
class Description:
    """What the sink is and wants. Wishes only: what it gets is in the operator's grant."""

    name: str
    version: str
    """The sink's own version."""
    summary: str
    """One line."""
    env: list[EnvVar] = field(default_factory=list)
    hosts: list[str] = field(default_factory=list)
    """Destinations in the form of a grant, over variables of `env`: `https://${SLS_PROJECT}.${SLS_ENDPOINT}`."""
    batch_events: int = 0
    """The largest number of events that the sink likes at once; 0 means no wish."""
    batch_bytes: int = 0
    """The same in bytes, counted as the events' JSON; 0 means no wish."""
    attributes: list[tuple[str, str]] = field(default_factory=list)


class Sink(ABC):
    """What an author writes. All calls block; none overlaps another on the same instance.

    An exception that is not a `SinkError` is a bug: it ends the instance, its traceback goes to the host's log, and the host tries the
    events again in smaller and smaller batches to find the one to blame.
    """

    @abstractmethod
    def describe(self) -> Description:
        """Must answer without environment, network, or `open`."""

    def open(self) -> None:
        """Called once before the first `save`: read the environment, check it, no more than one round trip."""

    @abstractmethod
    def save(self, batch: Batch, events: list[Event]) -> Sequence[Failure]:
        """Store these events. Returns those that were not stored; all others must be."""

    def close(self) -> None:
        """The last call, if there is one."""


def export(sink: Callable[[], Sink]) -> type:
    """`EventSink = export(YourSink)`: what componentize-py looks for in the module. The name must be `EventSink`.

    The sink is made here, so when the component is built; what it keeps in `self` lasts from call to call.
    """
    kept = sink()

    class EventSink:  # componentize-py makes one for each call
        def describe(self) -> contract.Description:
            return _description(kept.describe())

        def open(self) -> None:
            _call(kept.open)

        def save_events(self, batch: Batch, events: list[Event]) -> list[contract.Failure]:
            return [_failure(failure) for failure in _call(kept.save, batch, events)]

        def close(self) -> None:
            _call(kept.close)

    return EventSink


def _call(what: Callable[..., Any], *given: Any) -> Any:
    try:
        return what(*given)
    except SinkError as error:
        _raise_contract(error)


def _raise_contract(error: SinkError) -> NoReturn:
    if isinstance(error, Retry):
        raise Err(contract.Error_Retry(contract.Retry(error.reason, milliseconds(error.after)))) from None
    if isinstance(error, Refused):
        raise Err(contract.Error_Refused(error.reason)) from None
    if isinstance(error, Misconfigured):
        raise Err(contract.Error_Misconfigured(error.reason)) from None
    raise TypeError(f"{type(error).__name__} is none of Retry, Refused and Misconfigured") from error


def _failure(failure: Failure) -> contract.Failure:
    return contract.Failure(failure.index, failure.retryable, milliseconds(failure.after), failure.reason)


def _description(of: Description) -> contract.Description:
    env = [contract.EnvVar(v.name, v.help, v.required, v.secret) for v in of.env]
    return contract.Description(of.name, of.version, of.summary, env, of.hosts, of.batch_events, of.batch_bytes, of.attributes)
