"""The ways not to store: three for a whole batch, as exceptions, and `Failure` for one event of it."""

import math
from dataclasses import dataclass
from typing import Optional

LONGEST_WAIT_MS = 0xFFFF_FFFF
"""The contract counts milliseconds with 32 bits: 49 days are long enough to wait."""


class SinkError(Exception):
    """A way not to store; its text is for the operator."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Retry(SinkError):
    """Nothing is known to be stored; try the same events again, not earlier than `after` seconds from now."""

    def __init__(self, reason: str, after: Optional[float] = None) -> None:
        super().__init__(reason)
        self.after = after


class Refused(SinkError):
    """Nothing was stored, and never will be as a whole: the host looks for the event to blame."""


class Misconfigured(SinkError):
    """A person must mend settings, credentials or the destination; the events wait."""


@dataclass
class Failure:
    """One event that was not stored."""

    index: int
    """Its place in the list that was given."""
    retryable: bool
    """True: try it again. False: it never will be; the host keeps it among the sink's dead letters."""
    reason: str
    """For the operator."""
    after: Optional[float] = None
    """For a retry: not earlier than so many seconds from now."""


def milliseconds(seconds: Optional[float]) -> Optional[int]:
    """Whole milliseconds that the contract can say, never less than asked for."""
    if seconds is None:
        return None
    if seconds * 1000 >= LONGEST_WAIT_MS:
        return LONGEST_WAIT_MS
    return max(0, math.ceil(seconds * 1000))
