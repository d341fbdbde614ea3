"""What the door itself must refuse, as bytes, with the slug of each refusal."""

GET = b"GET /api/v1/products/p HTTP/1.1\r\nHost: x\r\n"
POST = b"POST /api/v1/products HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
MALFORMED, SLOW, BODY, HEADER = "malformed-request", "request-timeout", "body-too-large", "headers-too-large"

REFUSED = {
    "not HTTP": (b"\x16\x03\x01\x02\x00\x01\x00" + bytes(64), MALFORMED),
    "no Host": (b"GET /api/v1/products/p HTTP/1.1\r\n\r\n", MALFORMED),
    "two Hosts": (GET + b"Host: y\r\n\r\n", MALFORMED),
    "a length and chunks": (POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", MALFORMED),
    "two lengths": (POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef", MALFORMED),
    "a chunk without a size": (POST + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n", MALFORMED),
    "another coding": (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", MALFORMED),
    "a header that never ends": (GET, SLOW),
    "a body that never ends": (POST + b"Content-Length: 5\r\n\r\nab", SLOW),
    "a body over 64 KiB": (POST + b"Content-Length: 65537\r\n\r\n" + b"a" * 65_537, BODY),
    "chunks over 64 KiB": (
        POST + b"Transfer-Encoding: chunked\r\n\r\n" + (b"1000\r\n" + b"a" * 4096 + b"\r\n") * 17,
        BODY,
    ),
    "a field over 16 KiB": (GET + b"X-Big: " + b"a" * 17_000 + b"\r\n\r\n", HEADER),
    "fields over 16 KiB": (GET + b"X-N: 1\r\n" * 2100 + b"\r\n", HEADER),
    "a path over 16 KiB": (b"GET /" + b"a" * 17_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", HEADER),
}
