"""A client that writes what it is told, and reads answers strictly: it fails on whatever is not one sound message."""

import asyncio
import re
from dataclasses import dataclass

STATUS = re.compile(r"HTTP/1\.1 ([1-5][0-9]{2}) [ -~]*")
FIELD = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+): ([\t -~\x80-\xff]*)")
PIECES = 256


@dataclass(frozen=True)
class Answer:
    """A whole answer; interim ones are passed over."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def closes(self) -> bool:
        """Whether it says that it is the last of its connection."""
        return self.headers.get("connection") == "close"


class Broken(Exception):
    """The connection ended within an answer."""


async def at_once(writer: asyncio.StreamWriter, sent: bytes) -> None:
    """Write all in one go."""
    writer.write(sent)


async def by_the_byte(writer: asyncio.StreamWriter, sent: bytes) -> None:
    """Write byte by byte (a long message in pieces), and let the other side read each before the next."""
    step = 1 + len(sent) // PIECES if len(sent) > 4096 else 1
    for begin in range(0, len(sent), step):
        writer.write(sent[begin : begin + step])
        await asyncio.sleep(0)


async def read_answer(reader: asyncio.StreamReader, *, head: bool = False) -> Answer | None:
    """The next answer; None if the connection ended instead. Raises Broken; `head`: it answers a HEAD."""
    try:
        return await _read(reader, head=head)
    except asyncio.IncompleteReadError as error:
        raise Broken from error
    except ConnectionError:
        return None


async def _read(reader: asyncio.StreamReader, *, head: bool) -> Answer | None:
    try:
        text = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError as error:
        if not error.partial:
            return None
        raise
    line, *lines = text[:-4].split("\r\n")
    found = STATUS.fullmatch(line)
    assert found, line
    status, headers = int(found[1]), _headers(lines)
    if status < 200:
        assert not headers
        return await _read(reader, head=head)
    return Answer(status, headers, await _body(reader, status, headers, head=head))


def _headers(lines: list[str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        found = FIELD.fullmatch(line)
        assert found, line
        name = found[1].lower()
        assert name not in headers or name == "set-cookie", f"{name} twice"
        headers[name] = found[2]
    assert len(headers.keys() & {"content-length", "transfer-encoding"}) < 2
    return headers


async def _body(reader: asyncio.StreamReader, status: int, headers: dict[str, str], *, head: bool) -> bytes:
    if head or status in {204, 304}:
        return b""
    if "transfer-encoding" not in headers:
        return await reader.readexactly(int(headers["content-length"]))
    assert headers["transfer-encoding"] == "chunked"
    body = b""
    while size := int(await _line(reader), 16):
        body += await reader.readexactly(size)
        assert await _line(reader) == b""
    assert await _line(reader) == b""
    return body


async def _line(reader: asyncio.StreamReader) -> bytes:
    return (await reader.readuntil(b"\r\n"))[:-2]
