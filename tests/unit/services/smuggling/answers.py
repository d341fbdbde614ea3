"""Answers of an upstream that two parsers might read differently, and what the client must get."""

from dataclasses import dataclass

KLEIN = "Klein: Divide and Conquer: HTTP Response Splitting (2004)"
OK = b"HTTP/1.1 200 OK\r\n"
TWO = b"content-length: 2\r\n\r\nok"
EVIL = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil"
CHUNKED = OK + b"transfer-encoding: chunked\r\n\r\n"
END = b"2\r\nok\r\n0\r\n\r\n"


@dataclass(frozen=True)
class Whole:
    """One sound answer with this status and body; `fields` are those that the upstream's header has a say in."""

    status: int = 200
    body: bytes = b"ok"
    fields: tuple[tuple[str, str], ...] = ()
    reused: bool = True
    """Whether the connection to the upstream serves the next request too."""


@dataclass(frozen=True)
class BadGateway:
    """A 502 of the gateway's own; the connection to the upstream is closed."""


@dataclass(frozen=True)
class Broken:
    """The answer had begun, so its connection ends within it; the one to the upstream is closed."""


@dataclass(frozen=True)
class Reply:
    """`sent` is written piece by piece, each further one when the client has the header; then maybe the end."""

    name: str
    sent: tuple[bytes, ...] | bytes
    verdict: Whole | BadGateway | Broken
    cites: str
    method: str = "GET"
    hangs_up: bool = False

    @property
    def pieces(self) -> tuple[bytes, ...]:
        """What is written, in order."""
        return (self.sent,) if isinstance(self.sent, bytes) else self.sent


def field(line: bytes) -> bytes:
    return OK + line + b"\r\n" + TWO


def coded(value: bytes, version: bytes = b"HTTP/1.1") -> bytes:
    return version + b" 200 OK\r\ntransfer-encoding: " + value + b"\r\n\r\n" + END


def long(value: bytes) -> bytes:
    return OK + b"content-length: " + value + b"\r\n\r\nok"


LENGTHS = [
    Reply("a length", OK + TWO, Whole(fields=(("content-length", "2"),)), "RFC 9112 §6.3"),
    Reply("chunks", CHUNKED + END, Whole(), "RFC 9112 §7.1"),
    Reply("length, then chunked", OK + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n" + END, BadGateway(), "RFC 9112 §6.3"),
    Reply("chunked, then length", OK + b"transfer-encoding: chunked\r\ncontent-length: 2\r\n\r\n" + END, BadGateway(), "RFC 9112 §6.3"),
    Reply("lengths that differ", long(b"2\r\ncontent-length: 6") + b"evil", BadGateway(), "RFC 9112 §6.3: 502"),
    Reply("lengths that agree", long(b"2\r\ncontent-length: 2"), BadGateway(), "RFC 9112 §6.3 lets the one value stand; no sender needs it to"),
    Reply("a list of lengths", long(b"2, 6") + b"evil", BadGateway(), "RFC 9112 §6.3: 502"),
    Reply("a length with a plus", long(b"+2"), BadGateway(), "RFC 9110 §8.6"),
    Reply("a negative length", long(b"-2"), BadGateway(), "RFC 9110 §8.6"),
    Reply("a hexadecimal length", long(b"0x2"), BadGateway(), "RFC 9110 §8.6"),
    Reply("an empty length", long(b""), BadGateway(), "RFC 9110 §8.6"),
    Reply("a length over 64 bits", long(b"18446744073709551618"), BadGateway(), "RFC 9110 §8.6: beware of overflow"),
    Reply("a blank before the colon of a length", OK + b"content-length : 2\r\n\r\nok", BadGateway(), "RFC 9112 §5.1"),
    Reply("neither, until the end", OK + b"\r\nok", Whole(reused=False), "RFC 9112 §6.3", hangs_up=True),
]  # fmt: skip

CODINGS = [
    Reply("gzip, then chunked", coded(b"gzip, chunked"), BadGateway(), "RFC 9112 §7.4: TE asked for none"),
    Reply("gzip alone", coded(b"gzip"), BadGateway(), "RFC 9112 §7.4"),
    Reply("chunked twice", coded(b"chunked, chunked"), BadGateway(), "RFC 9112 §6.1"),
    Reply("chunked, then identity", coded(b"chunked\r\ntransfer-encoding: identity"), BadGateway(), "RFC 9112 §6.3"),
    Reply("an unknown coding beside a length", OK + b"transfer-encoding: xchunked\r\n" + TWO, BadGateway(), "RFC 9112 §6.3"),
    Reply("chunked in HTTP/1.0", coded(b"chunked", b"HTTP/1.0"), BadGateway(), "RFC 9112 §6.1: the framing is faulty"),
    Reply("a blank before the colon of a coding", OK + b"transfer-encoding : chunked\r\n\r\n" + END, BadGateway(), "RFC 9112 §5.1"),
    Reply("a chunk without a size", CHUNKED + b"xyz\r\nok\r\n0\r\n\r\n", BadGateway(), "RFC 9112 §7.1"),
    Reply("a negative chunk", CHUNKED + b"-2\r\nok\r\n0\r\n\r\n", BadGateway(), "RFC 9112 §7.1"),
    Reply("a chunk over its size", CHUNKED + b"2\r\nokevil\r\n0\r\n\r\n", BadGateway(), "RFC 9112 §7.1"),
    Reply("LF behind a chunk's size", CHUNKED + b"2\nok\r\n0\r\n\r\n", BadGateway(), "RFC 9112 §7.1"),
    Reply("a chunk over 64 bits", CHUNKED + b"10000000000000002\r\nok\r\n0\r\n\r\n", BadGateway(), "RFC 9112 §7.1: overflow"),
    Reply("a bad chunk behind a good one", (CHUNKED + b"2\r\nok\r\n", b"xyz\r\nevil\r\n0\r\n\r\n"), Broken(), "RFC 9112 §7.1, §8"),
    Reply("a chunk's extension", CHUNKED + b"2;a=b\r\nok\r\n0\r\n\r\n", Whole(), "RFC 9112 §7.1.1"),
    Reply("a trailer", CHUNKED + b"2\r\nok\r\n0\r\nset-cookie: evil\r\n\r\n", Whole(), "RFC 9110 §6.5.1: discarded"),
    Reply("a trailer that is none", CHUNKED + b"2\r\nok\r\n0\r\nevil\r\n\r\n", BadGateway(), "RFC 9112 §7.1.2"),
]  # fmt: skip

FIELDS = [
    Reply("a fold", field(b"x-note: a\r\n b"), Whole(fields=(("x-note", "a b"),)), "RFC 9112 §5.2: replaced by a blank"),
    Reply("a fold that looks like a field", field(b"x-note: a\r\n content-length: 9"), Whole(fields=(("x-note", "a content-length: 9"), ("content-length", "2"))), "RFC 9112 §5.2"),
    Reply("CR in a value", field(b"x-note: a\rb"), BadGateway(), "RFC 9110 §5.5; RFC 9112 §2.2"),
    Reply("CR in front of a field", field(b"x-note: a\rset-cookie: evil"), BadGateway(), "RFC 9112 §2.2, §11.1"),
    Reply("a zero byte in a value", field(b"x-note: a\x00b"), BadGateway(), "RFC 9110 §5.5"),
    Reply("a control character in a value", field(b"x-note: a\x01b"), BadGateway(), "RFC 9110 §5.5"),
    Reply("DEL in a value", field(b"x-note: a\x7fb"), BadGateway(), "RFC 9110 §5.5"),
    Reply("a blank in a name", field(b"x note: a"), BadGateway(), "RFC 9110 §5.6.2"),
    Reply("no name", field(b": a"), BadGateway(), "RFC 9110 §5.1"),
    Reply("a line without a colon", field(b"x-note"), BadGateway(), "RFC 9112 §5"),
    Reply("a value over 16 KiB", field(b"x-note: " + b"a" * 17_000), BadGateway(), "RFC 9110 §5.4"),
    Reply("fields of one connection", field(b"connection: x-hop, keep-alive\r\nx-hop: 1\r\nkeep-alive: timeout=5"), Whole(fields=(("x-hop", ""), ("keep-alive", ""))), "RFC 9110 §7.6.1"),
    Reply("an offer to upgrade", field(b"connection: upgrade\r\nupgrade: h2c"), Whole(fields=(("upgrade", ""),)), "RFC 9110 §7.8: of one connection"),
]  # fmt: skip

STATUSES = [
    Reply("100 and 103 first", b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n" + OK + TWO, Whole(), "RFC 9110 §15.2: as many as it likes before the last"),
    Reply("a storm of 100", b"HTTP/1.1 100 Continue\r\n\r\n" * 2000 + OK + TWO, Whole(), "RFC 9110 §15.2"),
    Reply("103 with a body", b"HTTP/1.1 103 Early Hints\r\ncontent-length: 4\r\n\r\nevil" + OK + TWO, BadGateway(), "RFC 9110 §15.2: it has no content"),
    Reply("101 that nobody asked for", b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n" + EVIL, BadGateway(), "RFC 9110 §7.8, §15.2.2"),
    Reply("101 that names no protocol", b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + EVIL, BadGateway(), "RFC 9110 §7.8"),
    Reply("204", b"HTTP/1.1 204 No Content\r\n\r\n", Whole(204, b""), "RFC 9110 §15.3.5"),
    Reply("204 with a length and a body", b"HTTP/1.1 204 No Content\r\ncontent-length: 4\r\n\r\nevil", BadGateway(), "RFC 9110 §8.6; RFC 9112 §6.3"),
    Reply("204 with a length of 0", b"HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n", Whole(204, b"", (("content-length", ""),)), "RFC 9110 §8.6: not to be sent on"),
    Reply("204 with chunks", b"HTTP/1.1 204 No Content\r\ntransfer-encoding: chunked\r\n\r\n" + END, BadGateway(), "RFC 9112 §6.1"),
    Reply("204, then an answer", b"HTTP/1.1 204 No Content\r\n\r\n" + EVIL, Whole(204, b"", reused=False), "RFC 9112 §9.2: it answers no request"),
    Reply("304 with the length of what it has not", b'HTTP/1.1 304 Not Modified\r\ncontent-length: 4\r\netag: "7"\r\n\r\n', Whole(304, b"", (("etag", '"7"'),)), "RFC 9110 §8.6: allowed, and no body follows"),
    Reply("304 with a body", b"HTTP/1.1 304 Not Modified\r\ncontent-length: 4\r\n\r\nevil", BadGateway(), "RFC 9112 §6.3"),
    Reply("a status below 100", b"HTTP/1.1 099 Odd\r\n" + TWO, BadGateway(), "RFC 9110 §15"),
    Reply("a status over 599", b"HTTP/1.1 600 Odd\r\n" + TWO, BadGateway(), "RFC 9110 §15"),
    Reply("a status of four digits", b"HTTP/1.1 2000 OK\r\n" + TWO, BadGateway(), "RFC 9112 §4"),
    Reply("HTTP/2.0", b"HTTP/2.0 200 OK\r\n" + TWO, BadGateway(), "RFC 9110 §2.5"),
    Reply("HTTP/0.9", b"HTTP/0.9 200 OK\r\n" + TWO, BadGateway(), "RFC 9112 §2.3"),
    Reply("another protocol", b"220 mail.example ESMTP\r\n\r\n", BadGateway(), "RFC 9112 §4"),
]  # fmt: skip

ENDS = [
    Reply("more than its length", OK + TWO + b"evil", BadGateway(), "RFC 9112 §9.2: what follows answers no request"),
    Reply("two answers for one request", OK + TWO + EVIL, Whole(reused=False), "RFC 9112 §9.2; " + KLEIN),
    Reply("an answer behind chunks", CHUNKED + END + EVIL, Whole(reused=False), "RFC 9112 §9.2"),
    Reply("nothing", b"", BadGateway(), "RFC 9112 §8", hangs_up=True),
    Reply("half a status line", b"HTTP/1.1 20", BadGateway(), "RFC 9112 §8", hangs_up=True),
    Reply("half a header", OK + b"content-length: 2\r\n", BadGateway(), "RFC 9112 §8", hangs_up=True),
    Reply("half a body", (OK + b"content-length: 4\r\n\r\nok", b""), Broken(), "RFC 9112 §8", hangs_up=True),
    Reply("chunks without an end", (CHUNKED + b"2\r\nok\r\n", b""), Broken(), "RFC 9112 §8: incomplete without the last chunk", hangs_up=True),
    Reply("half of the last chunk", (CHUNKED + b"2\r\nok\r\n", b"0\r\n"), Broken(), "RFC 9112 §8", hangs_up=True),
    Reply("Connection: close", OK + b"connection: close\r\n" + TWO, Whole(reused=False), "RFC 9112 §9.6"),
    Reply("HTTP/1.0 with a length", b"HTTP/1.0 200 OK\r\n" + TWO, Whole(reused=False), "RFC 9112 §9.3"),
    Reply("HEAD with a length", OK + b"content-length: 50\r\n\r\n", Whole(body=b"", fields=(("content-length", "50"),)), "RFC 9110 §9.3.2", method="HEAD"),
    Reply("HEAD with a body", OK + b"content-length: 4\r\n\r\nevil", BadGateway(), "RFC 9112 §6.3", method="HEAD"),
    Reply("HEAD with chunks", CHUNKED + END, BadGateway(), "RFC 9112 §6.3", method="HEAD"),
    Reply("HEAD with an answer as its body", OK + b"content-length: %d\r\n\r\n" % len(EVIL) + EVIL, BadGateway(), "RFC 9112 §6.3", method="HEAD"),
]  # fmt: skip

REPLIES = [*LENGTHS, *CODINGS, *FIELDS, *STATUSES, *ENDS]
