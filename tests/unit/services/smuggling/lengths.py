"""How long a body is: Content-Length, Transfer-Encoding, and both."""

from tests.unit.services.smuggling.corpus import (
    ABC,
    CHUNKED,
    GET,
    LINHART,
    POST,
    REBORN,
    SMUGGLED,
    Case,
    Refused,
    got,
    posted,
)

END = b"3\r\nabc\r\n0\r\n\r\n"


def coded(value: bytes, body: bytes = b"\r\n" + END) -> bytes:
    return POST + b"Transfer-Encoding: " + value + b"\r\n" + body


def long(value: bytes) -> bytes:
    return POST + b"Content-Length: " + value + b"\r\n\r\nabc"


BOTH = [
    Case("length, then chunked", CHUNKED + b"Content-Length: 4\r\n\r\n0\r\n\r\n", Refused(), "RFC 9112 §6.1, §11.2"),
    Case(
        "chunked, then length",
        POST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        Refused(),
        "RFC 9112 §6.3",
    ),
    Case(
        "CL.TE",
        POST + b"Content-Length: 54\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
        Refused(),
        REBORN,
    ),
    Case("TE.CL", CHUNKED + b"Content-Length: 4\r\n\r\n31\r\n" + SMUGGLED + b"\r\n0\r\n\r\n", Refused(), REBORN),
    Case(
        "a length of 0 and chunked",
        POST + b"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n" + END,
        Refused(),
        "RFC 9112 §6.3",
    ),
    Case(
        "both on a GET",
        GET + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n" + END,
        Refused(),
        "RFC 9112 §6.3",
    ),
    Case("a length beside an unknown coding", coded(b"xchunked", ABC), Refused(), REBORN),
    Case("a length beside identity", coded(b"identity", ABC), Refused(), "RFC 9112 §6.1"),
    Case(
        "a length beside a coding whose name has an underscore",
        POST + b"Transfer_Encoding: chunked\r\n" + ABC,
        posted(),
        "RFC 3875 §4.1.18: to a CGI that field is Transfer-Encoding",
    ),
]

CODINGS = [
    Case("chunked", CHUNKED + b"\r\n" + END, posted(), "RFC 9112 §7.1"),
    Case("capitals", coded(b"cHuNkEd"), posted(), "RFC 9112 §7: names of codings are case-insensitive"),
    Case("chunked on a GET", GET + b"Transfer-Encoding: chunked\r\n\r\n" + END, got(body=b"abc"), "RFC 9110 §9.3.1; RFC 9112 §6"),
    Case("chunked in HTTP/1.0", coded(b"chunked").replace(b"HTTP/1.1", b"HTTP/1.0"), Refused(), "RFC 9112 §6.1"),
    Case("chunked twice in a line", coded(b"chunked, chunked"), Refused(), "RFC 9112 §6.1: never applied more than once"),
    Case("chunked on two lines", coded(b"chunked\r\nTransfer-Encoding: chunked"), Refused(), "RFC 9112 §6.1"),
    Case("chunked, then identity", coded(b"chunked\r\nTransfer-Encoding: identity"), Refused(), "RFC 9112 §6.3: chunked is not the last"),
    Case("an unknown coding, then chunked", coded(b"x\r\nTransfer-Encoding: chunked"), Refused(), REBORN),
    Case("gzip, then chunked", coded(b"gzip, chunked"), Refused(), "RFC 9112 §6.1: an unknown coding is refused"),
    Case("chunked, but not last", coded(b"chunked, gzip"), Refused(), "RFC 9112 §6.3"),
    Case("identity", coded(b"identity"), Refused(), "RFC 9112 §6.1: an unknown coding"),
    Case("xchunked", coded(b"xchunked"), Refused(), REBORN),
    Case("a parameter", coded(b"chunked;q=1"), Refused(), "RFC 9112 §7.1: chunked has no parameters"),
    Case("a list with an empty member in front", coded(b",chunked"), Refused(), "RFC 9112 §6.1"),
    Case("a list with an empty member behind", coded(b"chunked,"), Refused(), "RFC 9112 §6.1"),
    Case("quotes", coded(b'"chunked"'), Refused(), "RFC 9112 §6.1: a coding is a token"),
    Case("nothing", coded(b""), Refused(), "RFC 9112 §6.1"),
    Case("a vertical tab in front", coded(b"\x0bchunked"), Refused(), "RFC 9110 §5.6.3: blanks are SP and HTAB"),
    Case("a zero byte behind", coded(b"chunked\x00"), Refused(), "RFC 9110 §5.5"),
    Case("a tab within", coded(b"chun\tked"), Refused(), "RFC 9110 §5.6.2"),
    Case("a blank before the colon", POST + b"Transfer-Encoding : chunked\r\n" + ABC, Refused(), "RFC 9112 §5.1"),
    Case("folded", coded(b"\r\n chunked"), Refused(), "RFC 9112 §5.2"),
    Case("folded, with a length", POST + b"Transfer-Encoding:\r\n chunked\r\n" + ABC, Refused(), "RFC 9112 §5.2, §11.2"),
    Case("a letter that looks like one", coded(b"\xc3\xa7hunked"), Refused(), "RFC 9110 §5.6.2"),
]  # fmt: skip

LENGTHS = [
    Case("a length", POST + ABC, posted(), "RFC 9112 §6.2"),
    Case("a length on a GET", GET + ABC, got(body=b"abc"), "RFC 9110 §9.3.1; RFC 9112 §6"),
    Case("a request as a GET's body", GET + b"Content-Length: %d\r\n\r\n" % len(SMUGGLED) + SMUGGLED, got(body=SMUGGLED), "RFC 9110 §9.3.1"),
    Case("leading zeros", long(b"0003"), posted(), "RFC 9110 §8.6: 1*DIGIT; written anew without them"),
    Case("blanks around", long(b" \t3 \t"), posted(), "RFC 9112 §5.1: not part of the value"),
    Case("no body and no length", POST + b"\r\n", posted(b""), "RFC 9112 §6.3: then the length is 0"),
    Case("a length of 0", POST + b"Content-Length: 0\r\n\r\n", posted(b""), "RFC 9112 §6.2"),
    Case("twice, differing", long(b"3\r\nContent-Length: 4"), Refused(), "RFC 9112 §6.3; " + LINHART),
    Case("twice, the same", long(b"3\r\nContent-Length: 3"), Refused(), "RFC 9112 §6.3 lets the one value stand; no sender needs it to"),
    Case("a list of the same", long(b"3, 3"), Refused(), "RFC 9112 §6.3 lets the one value stand; no sender needs it to"),
    Case("a list that differs", long(b"3, 4"), Refused(), "RFC 9112 §6.3"),
    Case("a plus", long(b"+3"), Refused(), "RFC 9110 §8.6"),
    Case("a minus", long(b"-3"), Refused(), "RFC 9110 §8.6"),
    Case("hexadecimal", long(b"0x3"), Refused(), "RFC 9110 §8.6"),
    Case("a fraction", long(b"3.0"), Refused(), "RFC 9110 §8.6"),
    Case("an exponent", long(b"3e0"), Refused(), "RFC 9110 §8.6"),
    Case("an underscore", long(b"3_0"), Refused(), "RFC 9110 §8.6"),
    Case("a blank within", long(b"3 3"), Refused(), "RFC 9110 §8.6"),
    Case("a digit of another script", long("\u0663".encode()), Refused(), "RFC 9110 §8.6"),
    Case("an empty value", long(b""), Refused(), "RFC 9110 §8.6"),
    Case("more than 64 bits", long(b"18446744073709551619"), Refused(), "RFC 9110 §8.6: beware of overflow"),
    Case("a blank before the colon of a length", POST + b"Content-Length : 3\r\n\r\nabc", Refused(), "RFC 9112 §5.1"),
    Case("a length folded", long(b"\r\n 3"), Refused(), "RFC 9112 §5.2"),
    Case("over 64 KiB", POST + b"Content-Length: 65537\r\n\r\n" + bytes(65537), Refused(413), "RFC 9110 §15.5.14", splits=False),
]  # fmt: skip

CASES = [*BOTH, *CODINGS, *LENGTHS]
