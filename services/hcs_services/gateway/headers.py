"""What of a message's header goes on to the next hop.

Every field is decoded, judged and written anew; nothing is copied as raw bytes. Left out: fields that belong to one
connection (RFC 9110, 7.6.1, with those that `Connection` names), framing (written by whoever sends the body), and the
forwarding fields, which only the gateway may write.
"""

import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus

from hcs_services.gateway.client_address import Client
from hcs_services.http_conventions import WITHOUT_BODY

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
MAX_FIELD_BYTES = 16 * 1024
MAX_HEADER_BYTES = 64 * 1024
"""Of an answer."""
VIA = "1.1 hcs-gateway"
_KEPT_FROM_UPSTREAMS = HOP_BY_HOP | WRITTEN_BY_THE_GATEWAY
_KEPT_FROM_CLIENTS = HOP_BY_HOP | WRITTEN_BY_THE_SERVER
_NOTHING: frozenset[bytes] = frozenset()
_VERSIONS = frozenset({"1.0", "1.1"})
_TOKENS = re.compile(rb"(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:)*")
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


class MalformedHeader(Exception):
    """A field's value is not text; the message names the field."""


def to_upstream(headers: RawHeaders, client: Client, own: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return a request's header for the upstream; `own` are the gateway's fields, of which the first, Host, leads.

    Raises MalformedHeader.
    """
    headers = list(headers)
    dropped = _with(_KEPT_FROM_UPSTREAMS, _named_by_connection(headers))
    host, *others = own.items()
    return [
        host,
        *[(name.decode(), _text(name, value)) for name, value in headers if _dashed(name) not in dropped],
        *others,
        ("X-Forwarded-For", ", ".join(map(str, client.chain))),
        ("X-Forwarded-Proto", client.scheme),
        ("X-Forwarded-Host", client.host),
        ("Via", VIA),
    ]


def flaw(version: str, status: int, headers: RawHeaders) -> str | None:
    """What is wrong with an answer's header, its names in lower case; None if it is sound.

    The parser forgives servers much that must not go on: then the next one would read another message. Values are
    judged as they came: to the parser, a coding with a blank behind it is another one.
    """
    headers = list(headers)
    names = b"".join([name + b":" for name, _ in headers])  # judged all at once: every answer passes here
    values = b" ".join([value for _, value in headers])
    if version not in _VERSIONS:
        return "the version is neither HTTP/1.1 nor HTTP/1.0"
    if not 200 <= status <= 599:
        return f"{status} is no final status"  # 101 too: nothing was offered to switch to
    if not _TOKENS.fullmatch(names) or _CONTROL.search(values):
        return "a field's name is no token, or its value holds a control character"
    if len(names) + len(values) > MAX_FIELD_BYTES and _oversize([len(name) + len(value) for name, value in headers]):
        return f"a field has at most {MAX_FIELD_BYTES} bytes, and a header {MAX_HEADER_BYTES}"
    return _framing_flaw(version, status, headers)


def _framing_flaw(version: str, status: int, headers: list[tuple[bytes, bytes]]) -> str | None:
    codings = [value.lower() for name, value in headers if name == b"transfer-encoding"]
    if codings and (codings != [b"chunked"] or version == "1.0"):
        return "the only transfer coding is chunked, and only in HTTP/1.1"
    if status == HTTPStatus.NO_CONTENT and (codings or any(_says_more(*field) for field in headers)):
        return "a 204 has no content"
    return None


def _says_more(name: bytes, value: bytes) -> bool:
    return name == b"content-length" and bool(value.strip(b" \t0"))


def _oversize(sizes: list[int]) -> bool:
    return max(sizes) > MAX_FIELD_BYTES or sum(sizes) > MAX_HEADER_BYTES


def to_client(headers: RawHeaders, upstream: str, status: int) -> list[tuple[bytes, bytes]]:
    """Return an answer's header for the client; Content-Length stays, unless the message was chunked or has no body."""
    headers = [(name.lower(), value.strip(b" \t")) for name, value in headers]
    dropped = _with(_KEPT_FROM_CLIENTS, _named_by_connection(headers))
    if status in WITHOUT_BODY or any(name == b"transfer-encoding" for name, _ in headers):
        dropped |= {b"content-length"}
    kept = [(name, value) for name, value in headers if _dashed(name) not in dropped]
    return [*kept, (SERVED_BY, upstream.encode())]


def values(headers: RawHeaders, name: bytes) -> list[str]:
    """Return the values of all lines of a field, in order."""
    return [value.decode("latin-1") for key, value in headers if key == name]


def _named_by_connection(headers: RawHeaders) -> frozenset[bytes]:
    lines = [value for name, value in headers if name == b"connection"]
    if not lines:
        return _NOTHING
    return frozenset(_dashed(token.strip().lower()) for line in lines for token in line.split(b","))


def _with(names: frozenset[bytes], more: frozenset[bytes]) -> frozenset[bytes]:
    return names | more if more else names  # hardly any message names more, so hardly any needs a set of its own


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
