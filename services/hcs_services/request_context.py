"""What belongs to the request being answered: its id, its trace and its deadline.

Context variables carry it, so that a query deep in a repository stops at the caller's deadline without every
signature naming it. Outside a request (start-up, relay, sweeps) the variables are unset and nothing is bounded by them.
"""

from __future__ import annotations

import os
import re
import time
from contextvars import ContextVar
from typing import NamedTuple

# version 00 of https://www.w3.org/TR/trace-context/: all-zero ids are invalid
_TRACEPARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:+/=-]{1,128}")

_deadline: ContextVar[float | None] = ContextVar("deadline", default=None)
_trace: ContextVar[Trace | None] = ContextVar("trace", default=None)
_request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
_harmless: ContextVar[bool] = ContextVar("harmless", default=True)


class Digits:
    """Random hexadecimal digits. The kernel gives them by the page: to ask for each id's alone costs more than the id.

    Not for secrets, which would lie in memory before they are used; and for one thread, the event loop's.
    """

    def __init__(self, page: int = 2048) -> None:
        self._page, self._text, self._taken = page, "", 0

    def take(self, count: int) -> str:
        """Return so many digits, at most twice the page; none is given out twice."""
        begin, end = self._taken, self._taken + count
        if end > len(self._text):
            self._text = os.urandom(self._page).hex()
            begin, end = 0, count
        self._taken = end
        return self._text[begin:end]

    def forget(self) -> None:
        """Drop what is left: a child process must not give out the same ones."""
        self._text, self._taken = "", 0


_digits = Digits()
os.register_at_fork(after_in_child=_digits.forget)


class Trace(NamedTuple):
    """One hop of a W3C trace: the caller's trace id and this process's own span id."""

    trace_id: str
    span_id: str
    flags: str = "01"

    @property
    def traceparent(self) -> str:
        """The header value to hand to the next hop."""
        return f"00-{self.trace_id}-{self.span_id}-{self.flags}"


def continue_trace(traceparent: str | None) -> Trace:
    """Continue the caller's trace with a new span, or begin one when the header is absent or malformed."""
    match = _TRACEPARENT.fullmatch(traceparent) if traceparent else None
    if match is None:
        return Trace(_digits.take(32), _digits.take(16))
    return Trace(match[1], _digits.take(16), match[3])


def accept_request_id(header: str | None) -> str:
    """The caller's request id if it is a short visible word, else a new one."""
    if header and _REQUEST_ID.fullmatch(header):
        return header
    return _digits.take(24)


def enter(*, request_id: str, trace: Trace, deadline: float | None, harmless: bool = True) -> None:
    """Bind the current task to one request. Uvicorn runs each request in a task of its own, so nothing is unbound."""
    _request_id.set(request_id)
    _trace.set(trace)
    _deadline.set(deadline)
    _harmless.set(harmless)


def harmless() -> bool:
    """Whether carrying the request out twice does no harm: a GET or HEAD, or a POST under an Idempotency-Key."""
    return _harmless.get()


def deadline() -> float | None:
    """When the answer is due, in seconds of `time.monotonic()`; None outside a request."""
    return _deadline.get()


def set_deadline(at: float | None) -> None:
    """Bound the current task: a delivery's handler, a start-up step. Seconds of `time.monotonic()`."""
    _deadline.set(at)


def remaining(default: float) -> float:
    """Seconds until the deadline, never negative; `default` (an upper bound too) where there is none."""
    at = _deadline.get()
    if at is None:
        return default
    return max(0.0, min(default, at - time.monotonic()))


def request_id() -> str | None:
    """The id that this request is known by in every hop's log."""
    return _request_id.get()


def trace() -> Trace | None:
    """The trace this request belongs to."""
    return _trace.get()


def trace_id() -> str:
    """32 hex digits; empty outside a request."""
    current = _trace.get()
    return current.trace_id if current else ""
