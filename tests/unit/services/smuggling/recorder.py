"""An upstream that keeps every byte it gets, and answers what it is told to."""

import asyncio
import re
from dataclasses import dataclass, field

from tests.unit.gateway.loopback import Reply, Request, Service

END = b"\r\n\r\n"
_VARYING = (
    (rb"\r\nHost: write-api:[0-9]+\r\n", b"\r\nHost: write-api:PORT\r\n"),
    (rb"\r\nX-Request-Id: [0-9a-f]{24}\r\n", b"\r\nX-Request-Id: ID\r\n"),
    (rb"\r\ntraceparent: 00-[0-9a-f]{32}-[0-9a-f]{16}-01\r\n", b"\r\ntraceparent: TRACE\r\n"),
    (rb"\r\nX-Request-Timeout: [0-9]{1,5}\r\n", b"\r\nX-Request-Timeout: MS\r\n"),
)


async def tell(request: Request, writer: asyncio.StreamWriter) -> None:
    """Answer with the request's line, so that the client sees which request it was."""
    body = request.line.encode()
    head = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body)
    writer.write(head if request.line.startswith("HEAD ") else head + body)


@dataclass
class Recorder(Service):
    """A service that does not interpret more than it must to know where a request ends."""

    reply: Reply = tell
    connections: list[bytearray] = field(default_factory=list)
    _taken: bytearray = field(default_factory=bytearray)

    def take(self) -> bytes:
        """All bytes that came since the last look, with names in place of what differs from run to run."""
        text = bytes(self._taken)
        self._taken.clear()
        for pattern, name in _VARYING:
            text = re.sub(pattern, name, text)
        return text

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        kept, end = bytearray(), 0
        self.connections.append(kept)
        self._writers.add(writer)
        try:
            while not writer.is_closing() and (piece := await reader.read(65536)):
                kept += piece
                self._taken += piece
                while (found := _request(bytes(kept[end:]))) is not None:
                    request, length = found
                    end += length
                    self.requests.append(request)
                    await self.reply(request, writer)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._writers.discard(writer)
            self.lost.set()
            writer.close()


def _request(text: bytes) -> tuple[Request, int] | None:
    """The request that begins here and its length in bytes; None until it is all there."""
    head, found, rest = text.partition(END)
    line, *fields = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (text.partition(":") for text in fields)}
    size = int(headers.get("content-length", "0"))
    if not found or len(rest) < size:
        return None
    return Request(line, headers, rest[:size]), len(head) + len(END) + size
