"""What of a message's header goes on to the next hop.

Every field is decoded, judged and written anew; nothing is copied as raw bytes. Left out: fields that belong to one
connection (RFC 9110, 7.6.1, with those that `Connection` names), framing (written by whoever sends the body), and the
forwarding fields, which only the gateway may write.
"""

import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus

from hcs_services.gateway.client_address import Client

RawHeaders = Iterable[tuple[bytes, bytes]]

HOP_BY_HOP = frozenset({
    b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection", b"te",
    b"trailer", b"transfer-encoding", b"upgrade",
})  # fmt: skip
WRITTEN_BY_THE_GATEWAY = frozenset({
    b"content-length", b"expect", b"forwarded", b"host", b"http2-settings", b"traceparent", b"via", b"x-forwarded-for",
    b"x-forwarded-host", b"x-forwarded-port", b"x-forwarded-proto", b"x-real-ip", b"x-request-id", b"x-request-timeout",
})  # fmt: skip
SERVED_BY = b"x-served-by"
"""On every answer that an upstream gave, and on no other: the upstream's name."""
WRITTEN_BY_THE_SERVER = frozenset({b"date", b"server", b"x-request-id", SERVED_BY})
WITHOUT_BODY = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED})
VIA = "1.1 hcs-gateway"
_TOKENS = re.compile(rb"(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:)*")
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


class MalformedHeader(Exception):
    """A field's value is not text; the message names the field."""


def to_upstream(headers: RawHeaders, client: Client, own: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return a request's header for the upstream; `own` are the gateway's fields (host, request id, deadline …).

    Raises MalformedHeader.
    """
    headers = list(headers)
    dropped = HOP_BY_HOP | WRITTEN_BY_THE_GATEWAY | _named_by_connection(headers)
    forwarded = [(name.decode(), _text(name, value)) for name, value in headers if _dashed(name) not in dropped]
    forwarded += own.items()
    forwarded += [
        ("X-Forwarded-For", ", ".join(map(str, client.chain))),
        ("X-Forwarded-Proto", client.scheme),
        ("X-Forwarded-Host", client.host),
        ("Via", VIA),
    ]
    return forwarded


def flaw(version: tuple[int, int], status: int, headers: RawHeaders) -> str | None:
    """What is wrong with an answer's header; None if it is sound.

    The client's parser forgives servers much that must not go on: then the next one would read another message.
    """
    headers = list(headers)
    names = b"".join([name + b":" for name, _ in headers])  # judged all at once: every answer passes here
    codings = [value.lower() for name, value in headers if name.lower() == b"transfer-encoding"]
    if version not in {(1, 0), (1, 1)}:
        return "the version is neither HTTP/1.1 nor HTTP/1.0"
    if not 200 <= status <= 599:
        return f"{status} is no final status"  # 101 too: nothing was offered to switch to
    if codings and (codings != [b"chunked"] or version == (1, 0)):
        return "the only transfer coding is chunked, and only in HTTP/1.1"
    if not _TOKENS.fullmatch(names) or _CONTROL.search(b" ".join([value for _, value in headers])):
        return "a field's name is no token, or its value holds a control character"
    return None


def to_client(headers: RawHeaders, upstream: str, status: int) -> list[tuple[bytes, bytes]]:
    """Return an answer's header for the client; Content-Length stays, unless the message was chunked or has no body."""
    headers = [(name.lower(), value) for name, value in headers]
    dropped = HOP_BY_HOP | WRITTEN_BY_THE_SERVER | _named_by_connection(headers)
    if status in WITHOUT_BODY or any(name == b"transfer-encoding" for name, _ in headers):
        dropped |= {b"content-length"}
    kept = [(name, value) for name, value in headers if _dashed(name) not in dropped]
    return [*kept, (SERVED_BY, upstream.encode())]


def values(headers: RawHeaders, name: bytes) -> list[str]:
    """Return the values of all lines of a field, in order."""
    return [value.decode("latin-1") for key, value in headers if key == name]


def _named_by_connection(headers: RawHeaders) -> frozenset[bytes]:
    lines = [value for name, value in headers if name == b"connection"]
    return frozenset(_dashed(token.strip().lower()) for line in lines for token in line.split(b","))


def _dashed(name: bytes) -> bytes:
    """The name as a server sees it that makes variables of fields (RFC 3875, 4.1.18): `_` is `-` to it."""
    return name.replace(b"_", b"-")


def _text(name: bytes, value: bytes) -> str:
    try:
        text = value.decode()
    except UnicodeDecodeError as error:
        raise MalformedHeader(f"the header {name.decode()} is not UTF-8 text") from error
    if not text.isprintable() and any((char < " " and char != "\t") or char == "\x7f" for char in text):
        raise MalformedHeader(f"the header {name.decode()} holds a control character")
    return text
