"""The request line and whom it is for: methods, versions, targets, Host."""

from tests.unit.services.smuggling.corpus import (
    GET,
    HOSTS,
    SMUGGLED,
    Answered,
    Case,
    Forwarded,
    Refused,
    goes_on,
    got,
    target,
)

ORDER = "/api/v1/orders/1"
CONNECT = b"CONNECT /api/v1/orders/1 HTTP/1.1\r\nHost: x\r\n"


def version(name: bytes) -> bytes:
    return target(b"GET /api/v1/orders/1 " + name)


def host(value: bytes) -> bytes:
    return b"GET /api/v1/orders/1 HTTP/1.1\r\nHost: " + value + b"\r\n\r\n"


def aimed(at: bytes) -> bytes:
    return target(b"GET " + at + b" HTTP/1.1")


LINES = [
    Case("a method in small letters", target(b"get /api/v1/orders/1 HTTP/1.1"), Refused(), "RFC 9110 §9.1: case-sensitive"),
    Case("an unknown method", target(b"FETCH /api/v1/orders/1 HTTP/1.1"), Refused(), "RFC 9112 §3.1"),
    Case("a tab behind the method", target(b"GET\t/api/v1/orders/1 HTTP/1.1"), Refused(), "RFC 9112 §3"),
    Case("a form feed behind the target", target(b"GET /api/v1/orders/1\x0cHTTP/1.1"), Refused(), "RFC 9112 §3"),
    Case("a blank in the target", target(b"GET /api/v1/orders/1 evil HTTP/1.1"), Refused(), "RFC 9112 §3"),
    Case("two versions", target(b"GET /api/v1/orders/1 HTTP/1.1 HTTP/1.1"), Refused(), "RFC 9112 §3"),
    Case("a blank behind the version", target(b"GET /api/v1/orders/1 HTTP/1.1 "), Refused(), "RFC 9112 §3"),
    Case("two blanks", target(b"GET  /api/v1/orders/1  HTTP/1.1"), got(), "RFC 9112 §3: may be split on whitespace"),
    Case("TRACE", target(b"TRACE /api/v1/orders/1 HTTP/1.1"), Answered(405), "RFC 9110 §9.3.8, §15.5.6"),
    Case("CONNECT", target(b"CONNECT x:443 HTTP/1.1"), Refused(), "RFC 9110 §9.3.6"),
    Case("CONNECT to a path", target(b"CONNECT /api/v1/orders/1 HTTP/1.1"), Answered(405), "RFC 9110 §9.3.6, §15.5.6"),
    Case("CONNECT with a request as its body", CONNECT + b"Content-Length: %d\r\n\r\n" % len(SMUGGLED) + SMUGGLED, Refused(), "RFC 9110 §9.3.6: no content"),
]  # fmt: skip

VERSIONS = [
    Case("no version", target(b"GET /api/v1/orders/1"), Refused(), "RFC 9112 §2.3, §3"),
    Case("HTTP/0.9", version(b"HTTP/0.9"), Refused(), "RFC 9112 §2.3"),
    Case("HTTP/1.2", version(b"HTTP/1.2"), Refused(), "RFC 9112 §2.3; RFC 9110 §2.5"),
    Case("HTTP/2.0", version(b"HTTP/2.0"), Refused(), "RFC 9110 §2.5"),
    Case("HTTP/1.10", version(b"HTTP/1.10"), Refused(), "RFC 9112 §2.3: one digit"),
    Case("HTTP/01.1", version(b"HTTP/01.1"), Refused(), "RFC 9112 §2.3"),
    Case("http/1.1", version(b"http/1.1"), Refused(), "RFC 9112 §2.3: HTTP-name is case-sensitive"),
    Case("the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Refused(), "RFC 9113 §3.4"),
    Case("HTTP/1.0", b"GET /api/v1/orders/1 HTTP/1.0\r\n\r\n", Forwarded((goes_on("GET " + ORDER, host=""),), closes=True), "RFC 9112 §9.3"),
    Case(
        "HTTP/1.0 that wants to stay",
        b"GET /api/v1/orders/1 HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n",
        Forwarded((goes_on("GET " + ORDER),), closes=True),
        "RFC 9112 §9.3: a server may close all the same",
    ),
]  # fmt: skip

TARGETS = [
    Case("a fragment", aimed(b"/api/v1/orders/1#evil"), Refused(), "RFC 9112 §3.2.1: no fragment in a target"),
    Case("a fragment in the query", aimed(b"/api/v1/orders/1?a=b#/../2"), Refused(), "RFC 9112 §3.2.1"),
    Case("an empty fragment", aimed(b"/api/v1/orders/1#"), Refused(), "RFC 9112 §3.2.1"),
    Case("a query", aimed(b"/api/v1/orders/1?a=%0d%0aX:%20y&b"), Forwarded((goes_on(f"GET {ORDER}?a=%0d%0aX:%20y&b"),)), "RFC 9112 §3.2.1: as it was received"),
    Case("no slash in front", aimed(b"api/v1/orders/1"), Refused(), "RFC 9112 §3.2.1"),
    Case("a host alone", aimed(b"x:80"), Refused(), "RFC 9112 §3.2.3: for CONNECT alone"),
    Case("an asterisk", aimed(b"*"), Refused(), "RFC 9112 §3.2.4: for OPTIONS alone"),
    Case("OPTIONS of an asterisk", target(b"OPTIONS * HTTP/1.1"), Answered(404), "RFC 9112 §3.2.4"),
    Case("two slashes", aimed(b"//evil/api/v1/orders/1"), Answered(404), "RFC 3986 §4.2: might be read as a host"),
    Case("dots", aimed(b"/api/v1/orders/../orders/1"), Answered(404), "RFC 3986 §5.2.4"),
    Case("coded dots", aimed(b"/api/v1/orders/%2e%2E/orders/1"), Answered(404), "RFC 3986 §5.2.4, §6.2.2.2"),
    Case("a coded slash", aimed(b"/api/v1/orders/1%2f2"), Answered(404), "RFC 3986 §2.2"),
    Case("a coded end of line", aimed(b"/api/v1/orders/1%0d%0aX:y"), Answered(404), "RFC 9112 §11.1"),
    Case("a coded zero byte", aimed(b"/api/v1/orders/1%00"), Answered(404), "RFC 3986 §7.3"),
    Case("a byte beyond ASCII", aimed(b"/api/v1/orders/1?\xff"), Refused(), "RFC 9112 §3.2"),
    Case("DEL in a target", aimed(b"/api/v1/orders/1?\x7f"), Refused(), "RFC 9112 §3.2"),
    Case("a whole URL", aimed(b"http://x/api/v1/orders/1?a"), Forwarded((goes_on(f"GET {ORDER}?a"),)), "RFC 9112 §3.2.2"),
    Case("a whole URL in capitals", aimed(b"HTTP://X/api/v1/orders/1"), got(), "RFC 9110 §4.2.3"),
    Case("a whole URL of another host", aimed(b"http://evil/api/v1/orders/1"), Refused(), "RFC 9112 §3.2.2; " + HOSTS),
    Case("a whole URL with a user", aimed(b"http://u@x/api/v1/orders/1"), Refused(), "RFC 9110 §4.2.4"),
    Case("a whole URL without a host", aimed(b"http:///api/v1/orders/1"), Refused(), "RFC 9110 §4.2.1"),
    Case("a whole URL of another scheme", aimed(b"ftp://x/api/v1/orders/1"), Refused(), "RFC 9110 §7.4"),
]  # fmt: skip

HOSTS_CASES = [
    Case("no Host", b"GET /api/v1/orders/1 HTTP/1.1\r\n\r\n", Refused(), "RFC 9112 §3.2"),
    Case("two Hosts", GET + b"Host: evil\r\n\r\n", Refused(), "RFC 9112 §3.2; " + HOSTS),
    Case("two Hosts that agree", GET + b"Host: x\r\n\r\n", Refused(), "RFC 9112 §3.2"),
    Case("a blank before the colon of Host", GET + b"Host : evil\r\n\r\n", Refused(), "RFC 9112 §5.1; " + HOSTS),
    Case("a port", host(b"x.example:8080"), got(host="x.example:8080"), "RFC 9110 §7.2"),
    Case("an IPv6 address", host(b"[2001:db8::1]:80"), got(host="[2001:db8::1]:80"), "RFC 3986 §3.2.2"),
    Case("an empty Host", host(b""), Refused(), "RFC 9110 §4.2.1: no http URL is without a host"),
    Case("a list of hosts", host(b"x, evil"), Refused(), "RFC 9112 §3.2: an invalid value is refused"),
    Case("a blank in Host", host(b"x evil"), Refused(), "RFC 9112 §3.2"),
    Case("a path in Host", host(b"x/evil"), Refused(), "RFC 9112 §3.2"),
    Case("a user in Host", host(b"evil@x"), Refused(), 'RFC 9110 §7.2: Host = uri-host [ ":" port ]'),
    Case("a port that is no number", host(b"x:evil"), Refused(), "RFC 3986 §3.2.3"),
    Case("two ports", host(b"x:80:evil"), Refused(), "RFC 3986 §3.2.3"),
    Case("bytes beyond ASCII in Host", host(b"x\xff"), Refused(), "RFC 3986 §3.2.2"),
    Case("a bracket that stays open", host(b"[::1"), Refused(), "RFC 3986 §3.2.2"),
]  # fmt: skip

CASES = [*LINES, *VERSIONS, *TARGETS, *HOSTS_CASES]
