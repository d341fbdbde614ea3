"""Uvicorn's HTTP/1.1 protocol with the bounds of a public door; every tier listens with it.

httptools parses strictly (it refuses a message with both Content-Length and Transfer-Encoding, bad chunks, bad tokens),
but it takes other versions than 1.0 and 1.1, hands trailers on as if they were headers, takes the body of a request
that offers an upgrade for the next protocol, and leaves blanks behind a value. Uvicorn drops a target's fragment and
authority, sets no bound on a header's size, on the time it takes or on the requests that wait, answers errors as plain
text, and may write an error into the middle of an answer under way. Here: header over 16 KiB → 431, header or first
byte too slow → 408 or a silent close, malformed or ambiguous → 400, all as problem documents; then the sending side is
closed and what still arrives is discarded for a moment, because closing with unread input makes the kernel reset the
connection, and the caller would lose the answer. An error that comes while an answer is under way closes the connection
without a word.
"""

from __future__ import annotations

import asyncio
import re
from contextvars import copy_context
from enum import Enum, auto
from http import HTTPStatus
from typing import Any

import httptools
import structlog
from prometheus_client import Counter

from hcs_services import request_context
from hcs_services.http_clocks import PartClock
from hcs_services.http_cycle import CycleProtocol
from hcs_services.problem import Problem, problem, problem_response

MAX_HEADER = 16 * 1024
HEADER_SECONDS = 10.0
"""From a connection's (or a further request's) first moment to the end of the header."""
BODY_SECONDS = 30.0
"""From there to the end of the body; applications wait less, this is for bodies that nobody reads."""
MAX_PIPELINED = 64
"""Requests of one connection that wait for the answer to an earlier one."""
FRAMING_RATIO = 8
"""Bytes of chunk sizes and extensions for each byte of a body, beyond MAX_HEADER; chunks of one byte need 5."""
LINGER_SECONDS = 2.0
LINGER_BYTES = 1024 * 1024

REFUSED = Counter(
    "hcs_http_refused_total",
    "Connections refused before any application saw a request, by the problem's slug.",
    ["reason"],
)
log = structlog.get_logger(__name__)
_HOST = re.compile(rb"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
_VERSIONS = frozenset({"1.0", "1.1"})
_SCHEMES = frozenset({b"http", b"https"})


class _Phase(Enum):
    BETWEEN = auto()
    HEAD = auto()
    BODY = auto()


class LimitedHttpProtocol(CycleProtocol):
    """One client connection."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._phase = _Phase.BETWEEN
        self._head_bytes = 0  # parsed fields of this header
        self._head_received = 0  # bytes of this header in reads that ended within it
        self._body_bytes = 0  # of this request's body, without its framing
        self._body_received = 0  # bytes of this request in reads that ended within its body
        self._clock = PartClock(self.loop, self._late)
        self._received_any = False
        self._began = False  # whether a message began within the read at hand
        self._framing = b""  # the field that frames a body which this parser takes for another protocol
        self._introducing = False  # whether another parser is told of such a body
        self._refused = False
        self._discarded = 0

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the clock of the first header."""
        super().connection_made(transport)
        self._clock.begin(HEADER_SECONDS)
        self._clock.settle()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        self._clock.stop()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came, unless this connection was refused already."""
        if self._refused:
            self._discard(data)
            return
        self.rest.end()
        self._received_any = True
        if self._phase is _Phase.BETWEEN:
            self._clock.begin(HEADER_SECONDS)
        before, self._began = self._phase, False
        self._feed(data)
        if not self._refused:
            self._count(len(data), before)
        self._clock.settle()
        self._keep_alive()

    def _count(self, received: int, before: _Phase) -> None:
        if self._phase is _Phase.HEAD:
            if not (self._began and before is _Phase.BODY):  # else the read holds an unknown part of the last body
                self._head_received += received
            if max(self._head_received, self._head_bytes) > MAX_HEADER:
                self._refuse(_too_large())
        elif self._phase is _Phase.BODY and before is _Phase.BODY and not self._began:
            self._body_received += received
            if self._body_received - self._body_bytes > MAX_HEADER + FRAMING_RATIO * self._body_bytes:
                self._refuse(problem("malformed-request", "The chunks' framing is out of proportion to the body."))

    def _feed(self, data: bytes) -> None:
        while data:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                data = data[upgrade.args[0] :]  # an Upgrade may be ignored (RFC 9110, 7.8): read on in HTTP/1.1
                if self._framing:
                    self._introduce_the_body()
            except httptools.HttpParserError as error:
                cause = error.__context__
                # whose traceback leads back to this frame: the connection would wait for the collector
                self._refuse(cause.with_traceback(None) if isinstance(cause, Problem) else _malformed())
                return
            else:
                return

    def _introduce_the_body(self) -> None:
        """Have another parser read on: one that knows how the body is framed and of no upgrade."""
        introduction = b"POST / HTTP/1.1\r\n%b\r\n\r\n" % self._framing
        self._framing, self._introducing = b"", True
        self.parser = httptools.HttpRequestParser(self)
        self.parser.feed_data(introduction)
        self._introducing = False

    # httptools callbacks

    def on_message_begin(self) -> None:
        """Count the header from here."""
        if self._introducing:
            return
        self._phase, self._began = _Phase.HEAD, True
        self._clock.begin(HEADER_SECONDS)
        self._head_bytes = self._head_received = self._body_bytes = self._body_received = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Count the request target."""
        if self._introducing:
            return
        self._head_bytes += len(url)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count a field as it is on the wire: name, colon, blank, value, CRLF; keep it unless it is a trailer."""
        if self._introducing:
            return
        self._head_bytes += len(name) + len(value) + 4
        if self._phase is _Phase.HEAD:
            super().on_header(name, value.rstrip(b" \t"))
        elif self._head_bytes > MAX_HEADER:
            raise _too_large()

    def on_body(self, body: bytes) -> None:
        """Count the body apart from its framing."""
        self._body_bytes += len(body)
        super().on_body(body)

    def on_headers_complete(self) -> None:
        """Judge the whole header before the application sees anything of it; an exception ends the parsing."""
        if self._introducing:
            return
        self._phase = _Phase.BODY
        self._clock.end()
        self._clock.begin(BODY_SECONDS)
        if self._head_bytes > MAX_HEADER:
            raise _too_large()
        self._check_framing()
        self._check_target()
        if len(self.pipeline) >= MAX_PIPELINED:
            raise problem("overloaded", f"More than {MAX_PIPELINED} requests wait for an answer.")
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Expect another request, unless this one's body is still to come."""
        if self._framing:
            return
        self._phase = _Phase.BETWEEN
        self._clock.end()
        super().on_message_complete()

    def _check_framing(self) -> None:
        version = self.parser.get_http_version()
        codings = [value.lower() for name, value in self.headers if name == b"transfer-encoding"]
        lengths = [value for name, value in self.headers if name == b"content-length"]
        if version not in _VERSIONS:
            raise problem("malformed-request", "The version is neither HTTP/1.1 nor HTTP/1.0.")
        if codings and (codings != [b"chunked"] or version == "1.0"):
            raise problem("malformed-request", "The only transfer coding is chunked, and only in HTTP/1.1.")
        if codings and lengths:
            raise problem("malformed-request", "A request has Content-Length or Transfer-Encoding, not both.")
        if self.parser.should_upgrade() and (codings or any(value.strip(b"0") for value in lengths)):
            if self.parser.get_method() == b"CONNECT":
                raise problem("malformed-request", "A CONNECT has no body.")
            self._framing = b"Transfer-Encoding: chunked" if codings else b"Content-Length: " + lengths[0]

    def _check_target(self) -> None:
        """Let a target through only if nothing of it is lost: what is judged here is what the next server gets."""
        hosts = [value for name, value in self.headers if name == b"host"]
        if len(hosts) > 1 or (not hosts and self.parser.get_http_version() != "1.0"):
            raise problem("malformed-request", "A request has exactly one Host.")
        if hosts and not _HOST.fullmatch(hosts[0]):
            raise problem("malformed-request", "Host is a name or an address, with or without a port.")
        if b"#" in self.url:
            raise problem("malformed-request", "A request's target has no fragment.")
        if self.url.startswith(b"/") or (self.url == b"*" and self.parser.get_method() == b"OPTIONS"):
            return
        scheme, _, rest = self.url.partition(b"://")
        authority = rest.partition(b"/")[0].lower()
        if scheme.lower() not in _SCHEMES or [authority] != [host.lower() for host in hosts]:
            raise problem("malformed-request", "A request's target is a path, or a URL of the host that Host names.")

    # time

    def _late(self) -> None:
        if self._received_any:
            self._refuse(problem("request-timeout", "The request came too slowly."))
        else:
            self.transport.close()  # a connection opened in advance; there is no request to answer

    def _keep_alive(self) -> None:
        """Begin a rest that does not begin with an answer: that of a body which ended after it."""
        if self._phase is _Phase.BETWEEN and self.cycle is not None and self.cycle.response_complete:
            self.rest.begin()

    # refusal

    def _refuse(self, refusal: Problem) -> None:
        self._refused = True
        self._clock.stop()
        REFUSED.labels(refusal.slug).inc()
        log.info("connection refused", status=refusal.status, reason=refusal.slug, client=self.client)
        if self._answer_under_way() or self.transport.is_closing():
            self.break_off()
            return
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.leave()  # its application waits for a body that will not come
        instance = getattr(self, "url", b"").decode("latin-1")[:200] or "/"  # the request line may not be here yet
        self.transport.write(copy_context().run(_rendered, refusal, instance))
        self.flow.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(LINGER_SECONDS, self.transport.close)

    def _answer_under_way(self) -> bool:
        if self.cycle is None or self.cycle.response_complete:
            return False
        receiving = self._phase is _Phase.BODY and self.cycle.more_body
        return bool(self.pipeline) or self.cycle.response_started or not receiving

    def _discard(self, data: bytes) -> None:
        self._discarded += len(data)
        if self._discarded > LINGER_BYTES:
            self.transport.close()


def _too_large() -> Problem:
    return problem("headers-too-large", f"The header is over {MAX_HEADER} bytes.")


def _malformed() -> Problem:
    return problem("malformed-request", "This is not an HTTP/1.1 request.")


def _rendered(refusal: Problem, instance: str) -> bytes:
    """Return the whole response. Runs in a context of its own: the trace belongs to this answer alone."""
    request_context.enter(
        request_id=request_context.accept_request_id(None), trace=request_context.continue_trace(None), deadline=None
    )
    status, headers, body = problem_response(refusal, instance=instance)
    lines = [b"HTTP/1.1 %d %s" % (status, HTTPStatus(status).phrase.encode()), b"connection: close"]
    lines += [name + b": " + value for name, value in headers]
    return b"\r\n".join([*lines, b"", body])
