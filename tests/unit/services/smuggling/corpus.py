"""What a case of the corpus is: the bytes that a client sends, what must come of them, and whose word that is."""

from dataclasses import dataclass

GET = b"GET /api/v1/orders/1 HTTP/1.1\r\nHost: x\r\n"
POST = b"POST /api/v1/orders HTTP/1.1\r\nHost: x\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n"
SMUGGLED = b"GET /api/v1/orders/smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
ABC = b"Content-Length: 3\r\n\r\nabc"

LINHART = "Linhart, Klein, Heled, Orrin: HTTP Request Smuggling (2005)"
REBORN = "Kettle: HTTP Desync Attacks: Request Smuggling Reborn (2019)"
BROWSER = "Kettle: Browser-Powered Desync Attacks (2022)"
MUST_DIE = "Kettle: HTTP/1.1 Must Die: The Desync Endgame (2025)"
H2C = "Miller: h2c Smuggling (2020)"
HOSTS = "Chen et al.: Host of Troubles: Multiple Host Ambiguities in HTTP Implementations (CCS 2016)"
HOP_BY_HOP = "Davison: Abusing HTTP hop-by-hop request headers (2019)"


@dataclass(frozen=True)
class Refused:
    """One problem with this status and `Connection: close`, then the end; nothing goes on."""

    status: int = 400


@dataclass(frozen=True)
class Forwarded:
    """Exactly these requests go on, each is answered, and the connection is in step for the next."""

    requests: tuple[bytes, ...]
    closes: bool = False
    """The connection ends after the last answer instead."""


@dataclass(frozen=True)
class Answered:
    """The gateway's own answer; nothing goes on, and the connection is in step for the next request."""

    status: int


@dataclass(frozen=True)
class Cut:
    """The connection ends, with a problem or without a word; of these requests the first ones may have gone on."""

    requests: tuple[bytes, ...]


@dataclass(frozen=True)
class Case:
    """`cites`: the section of a standard, or the paper, that the verdict follows from."""

    name: str
    sent: bytes
    verdict: Refused | Forwarded | Answered | Cut
    cites: str
    splits: bool = True
    """Whether it is played byte by byte too; not where the point is what comes with, or behind, something else."""


def goes_on(line: str, *fields: bytes, body: bytes | None = None, host: str = "x") -> bytes:
    """A request as the upstream must see it, byte for byte; PORT, ID, TRACE and MS stand for what differs each time.

    `fields` are those of the client's that are left; `body` None: no body, and no field says its length.
    """
    head = [
        f"{line} HTTP/1.1".encode(),
        b"Host: write-api:PORT",
        *fields,
        b"X-Request-Id: ID",
        b"traceparent: TRACE",
        b"X-Forwarded-For: 127.0.0.1",
        b"X-Forwarded-Proto: http",
        f"X-Forwarded-Host: {host}".encode(),
        b"Via: 1.1 hcs-gateway",
        b"X-Request-Timeout: MS",
    ]
    if body is not None:
        head.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join([*head, b"", body or b""])


def got(*fields: bytes, body: bytes | None = None, host: str = "x") -> Forwarded:
    """`GET` of the corpus goes on, with these fields."""
    return Forwarded((goes_on("GET /api/v1/orders/1", *fields, body=body, host=host),))


def posted(body: bytes = b"abc", *fields: bytes) -> Forwarded:
    """`POST` of the corpus goes on, with this body."""
    return Forwarded((goes_on("POST /api/v1/orders", *fields, body=body),))


def target(line: bytes) -> bytes:
    """A request that has this line and `Host: x` alone."""
    return line + b"\r\nHost: x\r\n\r\n"
