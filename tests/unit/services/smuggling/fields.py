"""Field lines: folds, ends of lines, names, values, and fields that a hop keeps to itself."""

from tests.unit.services.smuggling.corpus import (
    GET,
    HOP_BY_HOP,
    POST,
    Case,
    Forwarded,
    Refused,
    goes_on,
    got,
)

LINE = b"GET /api/v1/orders/1 HTTP/1.1\r\n"
FORWARDING = (
    b"X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Host: evil\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Port: 1\r\n"
    b"Forwarded: for=6.6.6.6\r\nX-Real-IP: 6.6.6.6\r\nVia: 1.1 evil\r\n"
)

LINES = [
    Case("a fold with a blank", GET + b"X-Note: a\r\n b\r\n\r\n", Refused(), "RFC 9112 §5.2"),
    Case("a fold with a tab", GET + b"X-Note: a\r\n\tb\r\n\r\n", Refused(), "RFC 9112 §5.2"),
    Case("a fold that looks like a field", GET + b"X-Note: a\r\n Content-Length: 3\r\n\r\nabc", Refused(), "RFC 9112 §5.2, §11.2"),
    Case("a folded line in front of all fields", LINE + b" X-Note: a\r\nHost: x\r\n\r\n", Refused(), "RFC 9112 §2.2"),
    Case("LF behind the request line", LINE[:-2] + b"\nHost: x\r\n\r\n", Refused(), "RFC 9112 §2.2: a recipient may, and this one does not"),
    Case("LF behind a field", LINE + b"Host: x\nX-Note: a\r\n\r\n", Refused(), "RFC 9112 §2.2"),
    Case("LF in place of the empty line", GET + b"\n", Refused(), "RFC 9112 §2.2"),
    Case("CR behind the request line", LINE[:-1] + b"Host: x\r\n\r\n", Refused(), "RFC 9112 §2.2"),
    Case("CR within a value", GET + b"X-Note: a\rb\r\n\r\n", Refused(), "RFC 9110 §5.5; RFC 9112 §2.2"),
    Case("CR in front of a field", GET + b"X-Note: a\rContent-Length: 3\r\n\r\nabc", Refused(), "RFC 9112 §2.2"),
    Case("CR CR LF behind a field", GET + b"X-Note: a\r\r\n\r\n", Refused(), "RFC 9112 §2.2"),
    Case("a line without a colon", GET + b"X-Note\r\n\r\n", Refused(), "RFC 9112 §5"),
    Case("empty lines in front", b"\r\n\r\n" + GET + b"\r\n", got(), "RFC 9112 §2.2: ignored in front of a request"),
    Case("a blank in front", b" " + GET + b"\r\n", Refused(), "RFC 9112 §3"),
]  # fmt: skip

NAMES = [
    Case("a blank before a colon", GET + b"X-Note : a\r\n\r\n", Refused(), "RFC 9112 §5.1"),
    Case("a tab before a colon", GET + b"X-Note\t: a\r\n\r\n", Refused(), "RFC 9112 §5.1"),
    Case("a blank within a name", GET + b"X Note: a\r\n\r\n", Refused(), "RFC 9110 §5.6.2"),
    Case("no name", GET + b": a\r\n\r\n", Refused(), "RFC 9110 §5.1"),
    Case("a name in brackets", GET + b"X(Note): a\r\n\r\n", Refused(), "RFC 9110 §5.6.2"),
    Case("a zero byte in a name", GET + b"X\x00Note: a\r\n\r\n", Refused(), "RFC 9110 §5.6.2"),
    Case("a name beyond ASCII", GET + b"X-N\xc3\xb6te: a\r\n\r\n", Refused(), "RFC 9110 §5.6.2"),
    Case("a name of HTTP/2", GET + b":path: /evil\r\n\r\n", Refused(), "RFC 9110 §5.1"),
    Case("a token of odd characters", GET + b"X'!#$%&*+.^`|~: a\r\n\r\n", got(b"x'!#$%&*+.^`|~: a"), "RFC 9110 §5.6.2"),
    Case("a name with an underscore", GET + b"X_Note: a\r\n\r\n", got(b"x_note: a"), "RFC 9110 §5.6.2"),
    Case(
        "the gateway's own fields, with underscores",
        GET + b"X_Forwarded_For: 6.6.6.6\r\nX_REQUEST_ID: a\r\nX-Real_IP: 6.6.6.6\r\nContent_Length: 9\r\n\r\n",
        got(),
        "RFC 3875 §4.1.18: a CGI cannot tell them from the true ones; CVE-2015-0219",
    ),
]  # fmt: skip

VALUES = [
    Case("a zero byte", GET + b"X-Note: a\x00b\r\n\r\n", Refused(), "RFC 9110 §5.5"),
    Case("a control character", GET + b"X-Note: a\x01b\r\n\r\n", Refused(), "RFC 9110 §5.5"),
    Case("DEL", GET + b"X-Note: a\x7fb\r\n\r\n", Refused(), "RFC 9110 §5.5"),
    Case("an empty value of a field", GET + b"X-Note:\r\n\r\n", got(b"x-note: "), "RFC 9112 §5"),
    Case("blanks around a value", GET + b"X-Note: \t a b \t \r\n\r\n", got(b"x-note: a b"), "RFC 9112 §5.1"),
    Case("a tab within a value", GET + b"X-Note: a\tb\r\n\r\n", got(b"x-note: a\tb"), "RFC 9110 §5.5"),
    Case("UTF-8", GET + b"X-Note: gr\xc3\xbc\xc3\x9fe\r\n\r\n", got(b"x-note: gr\xc3\xbc\xc3\x9fe"), "RFC 9110 §5.5: obs-text is opaque"),
    Case("the same field twice", GET + b"Cookie: a=1\r\nCOOKIE: b=2\r\n\r\n", got(b"cookie: a=1", b"cookie: b=2"), "RFC 9110 §5.3"),
    Case("over 16 KiB", GET + b"X-Note: " + b"a" * 17_000 + b"\r\n\r\n", Refused(431), "RFC 6585 §5"),
    Case("many fields", GET + b"X: y\r\n" * 2800 + b"\r\n", Refused(431), "RFC 6585 §5"),
]  # fmt: skip

HOPS = [
    Case(
        "fields of one connection",
        GET + b"Connection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\n"
        b"TE: trailers\r\nTrailer: X-Note\r\nProxy-Authorization: Basic x\r\nX-Note: a\r\n\r\n",
        got(b"x-note: a"),
        "RFC 9110 §7.6.1",
    ),
    Case(
        "Connection names the gateway's own fields",
        GET + b"Connection: Host, X-Forwarded-For, X-Request-Id, Via\r\nX-Note: a\r\n\r\n",
        got(b"x-note: a"),
        HOP_BY_HOP,
    ),
    Case(
        "Connection names a field with an underscore",
        GET + b"Connection: X_Hop\r\nX_Hop: 1\r\nX-Note: a\r\n\r\n",
        got(b"x-note: a"),
        "RFC 9110 §7.6.1",
    ),
    Case(
        "Connection names the length",
        POST + b"Connection: Content-Length\r\nContent-Length: 3\r\n\r\nabc",
        Forwarded((goes_on("POST /api/v1/orders", body=b"abc"),)),
        "RFC 9110 §7.6.1; " + HOP_BY_HOP,
    ),
    Case("forged forwarding fields", GET + FORWARDING + b"\r\n", got(), "RFC 9110 §7.6.3; RFC 7239 §8.1"),
]

CASES = [*LINES, *NAMES, *VALUES, *HOPS]
