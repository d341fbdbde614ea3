"""The access log's lines as structlog would render them, at a fraction of its time.

Every request is one of them and all have the same fields, so there is no dictionary to hand from processor to
processor, and no encoder has to ask what its values are. Which fields, their order and how they are written is what
`observability.configure_logging` would make of the same event; a test holds one against the other. Structlog's context
variables are left out, since nothing binds any.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from json.encoder import encode_basestring_ascii as quoted
from typing import NamedTuple

import structlog


def _now() -> datetime:
    return datetime.now(UTC)


class Known(NamedTuple):
    """The parts of a line that are the same for all requests of a method, a route and a status."""

    before_path: str
    behind_path: str

    @classmethod
    def of(cls, method: str, route: str, status: int) -> Known:
        """Render them."""
        before = f'{{"method": {quoted(method)}, "route": {quoted(route)}, "path": '
        return cls(before, f', "status": {status}, "bytes": ')


class OnceATurn:
    """Puts the lines of one turn of the event loop out together, by one system call: requests that are there at the
    same time end in the same turns. Without a loop each line goes at once. Whoever kills the process loses the lines of
    that turn, and not those of the turns before.
    """

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._lines: list[str] = []

    def __call__(self, line: str) -> None:
        """Have a line, given without its end, written when this turn ends."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self._write(line)
            return
        if not self._lines:
            loop.call_soon(self._put_out)
        self._lines.append(line)

    def _put_out(self) -> None:
        lines, self._lines = self._lines, []
        self._write("\n".join(lines))


class AccessLog:
    """Writes one line for each request; `write` takes it without its end, and puts both out in one system call."""

    def __init__(
        self,
        stack: str,
        tier: str,
        *,
        write: Callable[[str], None] | None = None,
        now: Callable[[], datetime] = _now,
    ) -> None:
        self._identity = f'"stack": {quoted(stack)}, "tier": {quoted(tier)}'
        self._write = OnceATurn(structlog.WriteLogger().msg) if write is None else write
        self._now = now

    def __call__(
        self, known: Known, path: str, *, sent: int, milliseconds: float, request_id: str | None, trace_id: str
    ) -> None:
        """Write the line of a request."""
        at = self._now().isoformat().replace("+00:00", "Z")
        word = "null" if request_id is None else quoted(request_id)
        trace = f', "trace_id": {quoted(trace_id)}' if trace_id else ""
        self._write(
            f'{known.before_path}{quoted(path)}{known.behind_path}{sent}, "milliseconds": {milliseconds!r}, '
            f'"request_id": {word}, "event": "request", "level": "info", "timestamp": "{at}", {self._identity}{trace}}}'
        )
