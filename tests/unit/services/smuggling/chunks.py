"""Bodies in chunks: sizes, extensions, ends of lines, trailers."""

from tests.unit.services.smuggling.corpus import CHUNKED, SMUGGLED, Case, Cut, Forwarded, Refused, goes_on, posted

FUNKY = "Weikop: Funky chunks: abusing ambiguous chunk line terminators (2025)"
ONE = goes_on("POST /api/v1/orders", body=b"abc")


def body(chunks: bytes) -> bytes:
    return CHUNKED + b"\r\n" + chunks


SIZES = [
    Case("two chunks", body(b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"), posted(b"abcde"), "RFC 9112 §7.1"),
    Case("a size in capitals", body(b"A\r\n0123456789\r\n0\r\n\r\n"), posted(b"0123456789"), "RFC 9112 §7.1"),
    Case("a size with leading zeros", body(b"%s3\r\nabc\r\n0\r\n\r\n" % (b"0" * 20)), posted(), "RFC 9112 §7.1"),
    Case("an end of several zeros", body(b"3\r\nabc\r\n000\r\n\r\n"), posted(), 'RFC 9112 §7.1: last-chunk = 1*("0")'),
    Case("no chunk but the last", body(b"0\r\n\r\n"), posted(b""), "RFC 9112 §7.1"),
    Case("a blank behind the size", body(b"3 \r\nabc\r\n0\r\n\r\n"), Refused(), "RFC 9112 §7.1"),
    Case("a blank before the size", body(b" 3\r\nabc\r\n0\r\n\r\n"), Refused(), "RFC 9112 §7.1"),
    Case("a blank behind the last size", body(b"3\r\nabc\r\n0 \r\n\r\n"), Refused(), "RFC 9112 §7.1"),
    Case("0x", body(b"0x3\r\nabc\r\n0\r\n\r\n"), Refused(), "RFC 9112 §7.1"),
    Case("a signed size", body(b"+3\r\nabc\r\n0\r\n\r\n"), Refused(), "RFC 9112 §7.1"),
    Case("a negative size", body(b"-3\r\nabc\r\n0\r\n\r\n"), Refused(), "RFC 9112 §7.1"),
    Case("a negative end", body(b"3\r\nabc\r\n-0\r\n\r\n"), Refused(), "RFC 9112 §7.1"),
    Case("an underscore in a size", body(b"3_\r\nabc\r\n0\r\n\r\n"), Refused(), "RFC 9112 §7.1"),
    Case("a size over 64 bits", body(b"10000000000000003\r\nabc\r\n0\r\n\r\n"), Refused(), "RFC 9112 §7.1: overflow"),
    Case("no size", body(b"\r\nabc\r\n0\r\n\r\n"), Refused(), "RFC 9112 §7.1"),
    Case("less data than the size", body(b"6\r\nabc\r\n0\r\n\r\n" + SMUGGLED), Refused(), "RFC 9112 §7.1"),
    Case("more data than the size", body(b"3\r\nabcd\r\n0\r\n\r\n"), Refused(), "RFC 9112 §7.1"),
    Case("over 64 KiB in chunks", body(b"493e0\r\n" + bytes(300_000) + b"\r\n0\r\n\r\n"), Refused(413), "RFC 9110 §15.5.14", splits=False),
]  # fmt: skip

ENDS = [
    Case("LF behind a size", body(b"3\nabc\r\n0\r\n\r\n"), Refused(), FUNKY),
    Case("LF behind the data", body(b"3\r\nabc\n0\r\n\r\n"), Refused(), FUNKY),
    Case("nothing behind the data", body(b"3\r\nabc0\r\n\r\n"), Refused(), FUNKY),
    Case("two other bytes behind the data", body(b"3\r\nabcXX0\r\n\r\n"), Refused(), FUNKY),
    Case("CR and another byte behind a size", body(b"3\rXabc\r\n0\r\n\r\n"), Refused(), FUNKY),
    Case("CR CR LF behind a size", body(b"3\r\r\nabc\r\n0\r\n\r\n"), Refused(), "RFC 9112 §7.1"),
    Case("LF behind the last size", body(b"3\r\nabc\r\n0\n\r\n"), Refused(), FUNKY),
    Case("LF at the end", body(b"3\r\nabc\r\n0\r\n\n"), Refused(), FUNKY),
    Case("another byte at the end", body(b"3\r\nabc\r\n0\r\nX\r\n"), Refused(), "RFC 9112 §7.1.2"),
]

EXTENSIONS = [
    Case("an extension", body(b"3;a=b\r\nabc\r\n0;c\r\n\r\n"), posted(), "RFC 9112 §7.1.1: ignored where unknown"),
    Case("a quoted extension", body(b'3;a="b;\\"c"\r\nabc\r\n0\r\n\r\n'), posted(), "RFC 9112 §7.1.1"),
    Case("LF in an extension", body(b"3;a=b\nabc\r\n0\r\n\r\n"), Refused(), FUNKY + ": TERM.EXT"),
    Case("CR in an extension", body(b"3;a\rb\r\nabc\r\n0\r\n\r\n"), Refused(), FUNKY),
    Case("LF in a quoted extension", body(b'3;a="\n"\r\nabc\r\n0\r\n\r\n'), Refused(), "RFC 9112 §7.1.1"),
    Case("an open quote", body(b'3;a="b\r\nabc\r\n0\r\n\r\n'), Refused(), "RFC 9112 §7.1.1"),
    Case("an extension without a name", body(b"3;\r\nabc\r\n0\r\n\r\n"), Refused(), "RFC 9112 §7.1.1"),
    Case("a control character in an extension", body(b"3;a=\x01\r\nabc\r\n0\r\n\r\n"), Refused(), "RFC 9112 §7.1.1"),
    Case("an extension without an end", body(b"3;" + b"a" * 600_000), Refused(), "RFC 9112 §7.1.1: limit their length"),
]  # fmt: skip

TRAILERS = [
    Case("a trailer", body(b"3\r\nabc\r\n0\r\nX-Note: t\r\n\r\n"), posted(), "RFC 9112 §7.1.2: discarded, not merged"),
    Case(
        "trailers that would be believed as headers",
        body(b"3\r\nabc\r\n0\r\nIdempotency-Key: k\r\nAuthorization: Bearer t\r\nHost: evil\r\nX-User: root\r\n\r\n"),
        posted(),
        "RFC 9110 §6.5.1",
    ),
    Case(
        "a trailer, then a request",
        body(b"3\r\nabc\r\n0\r\nX-Note: t\r\n\r\n") + SMUGGLED,
        Forwarded((ONE, goes_on("GET /api/v1/orders/smuggled"))),
        "RFC 9112 §7.1.2",
    ),
    Case("a length as a trailer", body(b"3\r\nabc\r\n0\r\nContent-Length: 9\r\n\r\n"), Refused(), "RFC 9110 §6.5.1"),
    Case("a coding as a trailer", body(b"3\r\nabc\r\n0\r\nTransfer-Encoding: x\r\n\r\n"), Refused(), "RFC 9110 §6.5.1"),
    Case("a folded trailer", body(b"3\r\nabc\r\n0\r\nX-Note: t\r\n u\r\n\r\n"), Refused(), "RFC 9112 §5.2"),
    Case("a trailer with a blank before the colon", body(b"3\r\nabc\r\n0\r\nX : t\r\n\r\n"), Refused(), "RFC 9112 §5.1"),
    Case("a trailer that ends with LF", body(b"3\r\nabc\r\n0\r\nX: t\n\r\n"), Refused(), "RFC 9112 §2.2"),
    Case("a request in place of trailers", body(b"3\r\nabc\r\n0\r\n" + SMUGGLED), Refused(), "RFC 9112 §7.1.2"),
    Case("trailers over 16 KiB", body(b"3\r\nabc\r\n0\r\n" + b"X: y\r\n" * 3000 + b"\r\n"), Refused(431), "RFC 6585 §5"),
    Case("rubbish behind the end", body(b"3\r\nabc\r\n0\r\n\r\n\x00\x01"), Cut((ONE,)), "RFC 9112 §3"),
]  # fmt: skip

CASES = [*SIZES, *ENDS, *EXTENSIONS, *TRAILERS]
