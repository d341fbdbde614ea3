"""Uvicorn's httptools protocol with bounds: header size, time for a header, time for a body; errors as problems.

httptools itself bounds nothing, and uvicorn answers its own 400 as plain text.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from hcs_services.problem import Problem, problem, problem_response

MAX_HEADER = 16 * 1024
HEADER_SECONDS = 10.0
BODY_SECONDS = 30.0


class LimitedHttpProtocol(HttpToolsProtocol):
    """One connection. A request that is too slow or too large in its header is answered and the connection closed."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._header_bytes = 0
        self._in_header = True
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client that connects and says nothing is closed as one that is slow."""
        super().connection_made(transport)
        self._arm(HEADER_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        self._disarm()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count header bytes before the parser keeps them."""
        if self._in_header:
            self._header_bytes += len(data)
        super().data_received(data)
        if self._in_header and self._header_bytes > MAX_HEADER and not self.transport.is_closing():
            self._refuse(problem("headers-too-large", f"A request's header has at most {MAX_HEADER} bytes."))

    def on_message_begin(self) -> None:
        """A new request on the connection: its header is due."""
        super().on_message_begin()
        self._in_header = True
        self._arm(HEADER_SECONDS)

    def on_headers_complete(self) -> None:
        """The header is here: judge its exact size, then wait for the body."""
        self._in_header = False
        self._header_bytes = 0
        if sum(len(name) + len(value) + 4 for name, value in self.headers) + len(self.url) > MAX_HEADER:
            self._refuse(problem("headers-too-large", f"A request's header has at most {MAX_HEADER} bytes."))
            raise ValueError("header too large")  # ends the parsing; the answer is already out
        self._arm(BODY_SECONDS)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The request is complete: the application's own deadline counts from here."""
        self._disarm()
        self._in_header = True
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what the parser refused, as a problem; uvicorn's hook for it."""
        self._refuse(problem("malformed-request", msg))

    def _arm(self, seconds: float) -> None:
        self._disarm()
        self._timer = self.loop.call_later(seconds, self._too_slow)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_slow(self) -> None:
        self._timer = None
        if self.cycle is not None and not self.cycle.response_complete and self.cycle.response_started:
            self.transport.close()  # an answer is under way: a second one would corrupt it
            return
        self._refuse(problem("request-timeout", "The request came too slowly."))

    def _refuse(self, error: Problem) -> None:
        if self.transport.is_closing():
            return
        instance = getattr(self, "url", b"").decode("latin-1")[:200] or "/"  # the request line may not be here yet
        status, headers, body = problem_response(error, instance=instance)
        lines = [STATUS_LINE[status], *(b"%s: %s\r\n" % pair for pair in headers), b"connection: close\r\n\r\n", body]
        self.transport.write(b"".join(lines))
        self.transport.close()
