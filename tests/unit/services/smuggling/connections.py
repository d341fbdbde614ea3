"""More than one message on a connection: pipelining, upgrades, Expect, bodies that no route wants."""

from tests.unit.services.smuggling.corpus import (
    ABC,
    BROWSER,
    GET,
    H2C,
    MUST_DIE,
    POST,
    SMUGGLED,
    Answered,
    Case,
    Cut,
    Forwarded,
    Refused,
    goes_on,
    got,
    posted,
)  # fmt: skip

FIRST, SECOND = goes_on("GET /api/v1/orders/1"), goes_on("GET /api/v1/orders/smuggled")
JAVA = b"Connection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\nUpgrade: h2c\r\n"
HIDDEN = b"Content-Length: %d\r\n\r\n" % len(SMUGGLED) + SMUGGLED
NOBODY_WAITS = 1000

PIPELINES = [
    Case("two requests", GET + b"\r\n" + SMUGGLED, Forwarded((FIRST, SECOND)), "RFC 9112 §9.3.2: answered in their order"),
    Case("empty lines between", GET + b"\r\n\r\n\r\n" + SMUGGLED, Forwarded((FIRST, SECOND)), "RFC 9112 §2.2"),
    Case("behind a body", POST + ABC + SMUGGLED, Forwarded((goes_on("POST /api/v1/orders", body=b"abc"), SECOND)), "RFC 9112 §6.3"),
    Case("a request behind Connection: close", GET + b"Connection: close\r\n\r\n" + SMUGGLED, Forwarded((FIRST,), closes=True), "RFC 9112 §9.6", splits=False),
    Case("a request behind HTTP/1.0", b"GET /api/v1/orders/1 HTTP/1.0\r\nHost: x\r\n\r\n" + SMUGGLED, Forwarded((FIRST,), closes=True), "RFC 9112 §9.3", splits=False),
    Case("rubbish behind a request", GET + b"\r\n\x00\x01\r\n\r\n", Cut((FIRST,)), "RFC 9112 §3"),
    Case("a request that is two, behind a good one", GET + b"\r\n" + POST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED, Cut((FIRST,)), "RFC 9112 §6.3"),
    Case("a thousand requests at once", (GET + b"\r\n") * NOBODY_WAITS, Cut((FIRST,) * NOBODY_WAITS), "RFC 9112 §9.3.2: a client may be cut off, and repeats", splits=False),
]  # fmt: skip

UPGRADES = [
    Case("Java's HttpClient", GET + JAVA + b"\r\n", got(), "RFC 9110 §7.8: a server may ignore Upgrade; so it is stripped, not refused"),
    Case("Java's HttpClient, and a second request", GET + JAVA + b"\r\n" + SMUGGLED, Forwarded((FIRST, SECOND)), "RFC 9110 §7.8; RFC 9112 §9.3.2"),
    Case("an upgrade with a length of 0", POST + JAVA + b"Content-Length: 0\r\n\r\n", posted(b""), "RFC 9110 §7.8"),
    Case("an upgrade with a request as its body", POST + JAVA + HIDDEN, posted(SMUGGLED), "RFC 9110 §7.8: no switch in the middle of a message; " + H2C),
    Case("an upgrade with a body in chunks", POST + JAVA + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", posted(), "RFC 9110 §7.8; " + H2C),
    Case("an upgrade with a body, and a second request", POST + JAVA + HIDDEN + SMUGGLED, Forwarded((goes_on("POST /api/v1/orders", body=SMUGGLED), SECOND)), "RFC 9110 §7.8; RFC 9112 §9.3.2"),
    Case("an upgrade with chunks and a trailer, and a second request", POST + JAVA + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Evil: 1\r\n\r\n" + SMUGGLED, Forwarded((goes_on("POST /api/v1/orders", body=b"abc"), SECOND)), "RFC 9110 §7.8; RFC 9112 §7.1.2"),
    Case("an upgrade with bad chunks", POST + JAVA + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n" + SMUGGLED, Refused(), "RFC 9112 §7.1"),
    Case("an upgrade with both lengths", POST + JAVA + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", Refused(), "RFC 9112 §6.3"),
    Case("Upgrade that Connection does not name", POST + b"Upgrade: h2c\r\n" + ABC, posted(), "RFC 9110 §7.8: a sender names it there"),
    Case("a WebSocket", GET + b"Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n", got(b"sec-websocket-version: 13"), "RFC 9110 §7.8"),
]  # fmt: skip

EXPECTATIONS = [
    Case("Expect", POST + b"Expect: 100-continue\r\n" + ABC, posted(), "RFC 9110 §10.1.1"),
    Case("Expect without a body", GET + b"Expect: 100-continue\r\n\r\n", got(), "RFC 9110 §10.1.1; " + MUST_DIE),
    Case("Expect that is none", POST + b"Expect: y 100-continue\r\n" + ABC, posted(), MUST_DIE),
    Case("Expect and a request as the body", POST + b"Expect: 100-continue\r\n" + HIDDEN, posted(SMUGGLED), MUST_DIE),
]  # fmt: skip

UNWANTED_BODIES = [
    Case("on the gateway's own path", b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + HIDDEN, Answered(200), BROWSER + ": CL.0"),
    Case("a POST to the gateway's own path", b"POST /healthz HTTP/1.1\r\nHost: x\r\n" + HIDDEN, Answered(405), BROWSER + ": CL.0"),
    Case("on a path that nobody has", b"POST /evil HTTP/1.1\r\nHost: x\r\n" + HIDDEN, Answered(404), BROWSER + ": CL.0"),
    Case("with a method that nobody takes", b"DELETE /api/v1/orders HTTP/1.1\r\nHost: x\r\n" + HIDDEN, Answered(405), BROWSER + ": CL.0"),
    Case("with a header that is no text", POST + b"X-Note: caf\xe9\r\n" + HIDDEN, Answered(400), "RFC 9110 §5.5; " + BROWSER),
    Case("of a HEAD", b"HEAD /api/v1/orders/1 HTTP/1.1\r\nHost: x\r\n" + HIDDEN, Forwarded((goes_on("HEAD /api/v1/orders/1", body=SMUGGLED),)), "RFC 9110 §9.3.2"),
]  # fmt: skip

CASES = [*PIPELINES, *UPGRADES, *EXPECTATIONS, *UNWANTED_BODIES]
