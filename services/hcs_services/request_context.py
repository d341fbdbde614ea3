"""What belongs to the request being answered: its id, its trace and its deadline.

Context variables carry it, so that a query deep in a repository stops at the caller's deadline without every
signature naming it. Outside a request (start-up, relay, sweeps) the variables are unset and nothing is bounded by them.
"""

from __future__ import annotations

import re
import secrets
import time
from contextvars import ContextVar
from dataclasses import dataclass

# version 00 of https://www.w3.org/TR/trace-context/: all-zero ids are invalid
_TRACEPARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:+/=-]{1,128}")

_deadline: ContextVar[float | None] = ContextVar("deadline", default=None)
_trace: ContextVar[Trace | None] = ContextVar("trace", default=None)
_request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
_harmless: ContextVar[bool] = ContextVar("harmless", default=True)


@dataclass(frozen=True, slots=True)
class Trace:
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
        return Trace(secrets.token_hex(16), secrets.token_hex(8))
    return Trace(match[1], secrets.token_hex(8), match[3])


def accept_request_id(header: str | None) -> str:
    """The caller's request id if it is a short visible word, else a new one."""
    if header and _REQUEST_ID.fullmatch(header):
        return header
    return secrets.token_hex(12)


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
