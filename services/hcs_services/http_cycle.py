"""One request and its answer on a connection: what an application is handed, and what it sends as bytes.

Uvicorn's cycle writes the header when it is sent and the body when that is: two system calls, and two packets, for an
answer that both parts of are there at once. Here the header waits for the body, but never longer than for the loop's
next turn, so that an answer which streams begins as soon as before. What the client gets is the same, byte for byte.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import unquote

import httptools
from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from hcs_services.http_clocks import RestClock, nothing
from hcs_services.http_conventions import WITHOUT_BODY

PEER = "hcs.peer"
"""In a scope's `extensions`: the cycle itself, for what ASGI has no words for."""
LARGE = 16 * 1024
"""A body from here on is not copied behind its header: both are given to the kernel as they are."""
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_FRAMING = frozenset({b"content-length", b"transfer-encoding"})
_NAME_FLAW = re.compile(rb'[\x00-\x1f\x7f()<>@,;:\\\[\]={} \t"]')
_VALUE_FLAW = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


class ServerConfig(Config):
    """What all connections of a server share. While it is `draining` each answer ends its connection."""

    draining = False


class Cycle(RequestResponseCycle):
    """A request that is being answered. `flush` must precede whatever else is done to the connection."""

    def __init__(self, loop: asyncio.AbstractEventLoop, config: ServerConfig, **known: Any) -> None:
        super().__init__(**known)
        self._loop, self._config = loop, config
        self._bodiless = self.scope["method"] == "HEAD"
        self._head = b""  # rendered, and not yet written
        self._gone: Callable[[], None] | None = None
        extensions: Any = {PEER: self}  # uvicorn's types allow only dictionaries within
        self.scope["extensions"] = extensions

    async def run_asgi(self, app: Any) -> None:
        """Have the application answer; an answer that it leaves unfinished breaks off, or is a 500."""
        try:
            await app(self.scope, self.receive, self.send)
        except BaseException:  # the end of the task: whatever it is, the client learns of it
            self.logger.exception("Exception in ASGI application\n")
            await self._break_off()
        else:
            if not self.response_complete and not self.disconnected:
                self.logger.error("ASGI callable returned without completing its response.")
                await self._break_off()
        finally:
            # each of them holds what holds this
            self.on_response = nothing
            self._gone = None
            self.scope["extensions"] = {}

    async def send(self, message: Any) -> None:
        """Take a part of the answer; waits while the client does not read. Raises RuntimeError for one out of turn."""
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        kind = message["type"]
        if not self.response_started:
            if kind != "http.response.start":
                raise RuntimeError(f"Expected ASGI message 'http.response.start', but got '{kind}'.")
            self.response_started = True
            self.waiting_for_100_continue = False
            self._head = self._rendered(message["status"], message.get("headers", ()))
            self._loop.call_soon(self.flush)
        elif self.response_complete:
            raise RuntimeError(f"Unexpected ASGI message '{kind}' sent, after response already completed.")
        elif kind != "http.response.body":
            raise RuntimeError(f"Expected ASGI message 'http.response.body', but got '{kind}'.")
        else:
            self._pass_on(message.get("body", b""), more=message.get("more_body", False))

    def flush(self) -> None:
        """Write the header if it still waits for a body."""
        if self._head and not self.disconnected:
            self.transport.write(self._head)
        self._head = b""

    @property
    def takes(self) -> bool:
        """Whether `send` need not wait."""
        return not self.flow.write_paused

    def watch(self, gone: Callable[[], None] | None) -> bool:
        """Have `gone` called when the client leaves before its answer is whole; return whether it is still there.

        Whoever watches takes no more of the request's body, as after its last `receive`. None: watch no longer.
        """
        self._gone = gone
        if gone is not None and not self.disconnected:
            if self.waiting_for_100_continue and not self.transport.is_closing():
                self.transport.write(CONTINUE)
                self.waiting_for_100_continue = False
            self.flow.resume_reading()  # else nobody would hear that the connection has ended
        return not self.disconnected

    def leave(self) -> None:
        """The client has left, or is not heard any more."""
        self.disconnected = True
        self.message_event.set()
        if self._gone is not None:
            self._gone()

    async def _break_off(self) -> None:
        if self.response_started:
            self.flush()
            self.transport.close()
        else:
            await self.send_500_response()

    def _rendered(self, status: int, fields: Iterable[tuple[bytes, bytes]]) -> bytes:
        names, values, lines = [], [], [STATUS_LINE[status]]
        closes = False
        if self._config.draining:
            self.keep_alive = False
        for written, value in (*self.default_headers, *fields):
            name = written.lower()
            names.append(name)
            values.append(value)
            lines += (name, b": ", value, b"\r\n")
            if name in _FRAMING:
                self._frame(name, value)
            elif name == b"connection" and b"close" in [token.strip().lower() for token in value.split(b",")]:
                self.keep_alive, closes = False, True
        if _NAME_FLAW.search(b"".join(names)):
            raise RuntimeError("Invalid HTTP header name.")
        if _VALUE_FLAW.search(b"".join(values)):
            raise RuntimeError("Invalid HTTP header value.")
        if not self.keep_alive and not closes:
            lines.append(b"connection: close\r\n")
        if self.chunked_encoding is None and not self._bodiless and status not in WITHOUT_BODY:
            self.chunked_encoding = True
            lines.append(b"transfer-encoding: chunked\r\n")
        lines.append(b"\r\n")
        return b"".join(lines)

    def _frame(self, name: bytes, value: bytes) -> None:
        """Take from a field how the body is framed; the first length counts, and a coding more than that."""
        if name == b"content-length" and self.chunked_encoding is None:
            self.expected_content_length = int(value.decode())
            self.chunked_encoding = False
        elif name == b"transfer-encoding" and value.lower() == b"chunked":
            self.expected_content_length = 0
            self.chunked_encoding = True

    def _pass_on(self, body: bytes, *, more: bool) -> None:
        self._write(self._body(body, more=more))
        if more:
            return
        if self.expected_content_length != 0:
            raise RuntimeError("Response content shorter than Content-Length")
        self.response_complete = True
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()

    def _body(self, body: bytes, *, more: bool) -> bytes:
        """Return a piece of the body as it goes out."""
        if self._bodiless:
            self.expected_content_length = 0
            return b""
        if self.chunked_encoding:
            end = b"" if more else b"0\r\n\r\n"
            return b"".join((b"%x\r\n" % len(body), body, b"\r\n", end)) if body else end
        if len(body) > self.expected_content_length:
            raise RuntimeError("Response content longer than Content-Length")
        self.expected_content_length -= len(body)
        return body

    def _write(self, piece: bytes) -> None:
        head, self._head = self._head, b""
        if not head:
            self.transport.write(piece)
        elif len(piece) < LARGE:
            self.transport.write(b"".join((head, piece)))
        else:
            self.transport.writelines((head, piece))


class CycleProtocol(HttpToolsProtocol):
    """Uvicorn's protocol with this cycle; it offers no other protocol, and bounds no number of requests."""

    config: ServerConfig
    cycle: Cycle

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._running: Cycle | None = None
        self.rest = RestClock(self.loop, self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell who answers, whether or not other requests wait behind that one."""
        self.rest.stop()
        if self._running is not None and not self._running.response_complete:
            self._running.leave()
        super().connection_lost(exc)

    def break_off(self) -> None:
        """Close the connection, behind what has been sent."""
        if self.cycle is not None:
            self.cycle.flush()
        self.transport.close()

    def on_headers_complete(self) -> None:
        """Hand the request to the application, or put it behind those that came before it."""
        version = self.parser.get_http_version()
        target = httptools.parse_url(self.url)
        path = target.path.decode("ascii")
        scope: Any = self.scope
        scope["method"] = self.parser.get_method().decode("ascii")
        scope["http_version"] = version
        scope["path"] = unquote(path) if "%" in path else path
        scope["raw_path"] = target.path
        scope["query_string"] = target.query or b""
        before = self.cycle
        self.cycle = Cycle(
            self.loop,
            self.config,
            scope=scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=self.expect_100_continue,
            keep_alive=version != "1.0" and self.parser.should_keep_alive(),
            on_response=self.on_response_complete,
        )
        if before is None or before.response_complete:
            self._start_asgi_task(self.cycle, self.app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((self.cycle, self.app))

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        assert isinstance(cycle, Cycle)
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        """Go on with the next request, if it is there."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        else:
            self.rest.begin()
