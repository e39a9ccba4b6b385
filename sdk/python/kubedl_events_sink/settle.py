"""What an answer means for the events it was about."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Optional, Sequence

from .outcomes import Failure, Misconfigured, Refused, Retry, SinkError

if TYPE_CHECKING:
    from .http import Answer, NoAnswer, Response

LONGEST_WORDS = 200
"""Characters of an answer's body that are told."""

RETRIED = {408, 425, 429}
TO_BE_MENDED = {401, 403, 404, 405, 407, 410}


def settle(answer: Answer) -> None:
    """Raises what an answer means, unless the events are stored.

    | answer | means |
    |---|---|
    | 2xx | stored |
    | 408, 425, 429, 5xx | `Retry`, not before the seconds of `Retry-After` |
    | 3xx, 401, 403, 404, 405, 407, 410 | `Misconfigured` |
    | other 4xx | `Refused` |
    | denied, invalid request | `Misconfigured` |
    | request too large | `Refused` |
    | no answer for another reason | `Retry` |
    """
    outcome = _outcome(answer)
    if outcome is not None:
        raise outcome


def settle_all(answers: Sequence[Answer]) -> list[Failure]:
    """The same for answers that each are about one event, in the order of the events: what `save` returns.

    Raises where no event was stored, and all need the same: a person, or a later try.
    """
    outcomes = [_outcome(answer) for answer in answers]
    failed = [(index, error) for index, error in enumerate(outcomes) if error is not None]
    if failed and len(failed) == len(answers):
        _raise_common([error for _, error in failed])
    return [Failure(index, not isinstance(error, Refused), error.reason, getattr(error, "after", None)) for index, error in failed]


def _raise_common(errors: list[SinkError]) -> None:
    """What a person must mend goes before a retry, and a retry of all takes the longest wait."""
    for error in errors:
        if isinstance(error, Misconfigured):
            raise error
    if all(isinstance(error, Retry) for error in errors):
        waits = [error.after for error in errors if error.after is not None]
        raise Retry(errors[0].reason, max(waits, default=None))


def _outcome(answer: Answer) -> Optional[SinkError]:
    return _of_no_answer(answer) if hasattr(answer, "case") else _of_response(answer)


def _of_response(response: Response) -> Optional[SinkError]:
    status = response.status
    if 200 <= status < 300:
        return None
    told = _words(response.body)
    reason = f"the destination answered {status}: {told}" if told else f"the destination answered {status}"
    if 300 <= status < 400 or status in TO_BE_MENDED:
        return Misconfigured(reason)
    if 400 <= status < 500 and status not in RETRIED:
        return Refused(reason)
    # 5xx; and what no destination should answer says nothing against the events either.
    return Retry(reason, _retry_after(response))


def _of_no_answer(answer: NoAnswer) -> SinkError:
    reason = f"no answer from the destination: {answer.case}"
    if answer.words:
        reason += f": {answer.words}"
    if answer.case in ("denied", "invalid request"):
        return Misconfigured(reason)
    if answer.case == "request too large":
        return Refused(reason)
    return Retry(reason)


def _retry_after(response: Response) -> Optional[int]:
    """Seconds only: for a date the clocks of both sides would have to agree."""
    value = (response.header("retry-after") or "").strip()
    return int(value) if value.isascii() and value.isdigit() and len(value) < 10 else None


def _words(body: bytes) -> str:
    """The beginning of a body, if it is text: UTF-8 without control characters other than white space."""
    # A character takes four bytes at most: more need not be looked at.
    beginning = body[: LONGEST_WORDS * 4]
    try:
        text = beginning.decode()
    except UnicodeDecodeError as error:
        if len(beginning) == len(body) or error.reason != "unexpected end of data":
            return ""
        text = beginning[: error.start].decode()
    told = text.strip()[:LONGEST_WORDS]
    return "" if any(unicodedata.category(c) == "Cc" and not c.isspace() for c in told) else told
