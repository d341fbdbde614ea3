"""What of a header goes on to the next hop."""

from ipaddress import ip_address

import pytest

from hcs_services.gateway import headers
from hcs_services.gateway.client_address import Client

pytestmark = pytest.mark.unit
CLIENT = Client(ip_address("203.0.113.7"), (ip_address("203.0.113.7"), ip_address("10.0.0.1")), "https", "shop.example")


def sent(*lines: tuple[bytes, bytes]) -> list[tuple[str, str]]:
    return headers.to_upstream(lines, CLIENT, {"Host": "write-api:8080"})


def names(fields: list[tuple[str, str]]) -> set[str]:
    return {name.lower() for name, _ in fields}


def test_end_to_end_fields_go_on_as_they_are() -> None:
    fields = sent((b"accept", b"text/csv"), (b"if-match", b'"7"'), (b"x-note", "grüße".encode()))
    assert ("accept", "text/csv") in fields
    assert ("if-match", '"7"') in fields
    assert ("x-note", "grüße") in fields


def test_fields_of_one_connection_stay_there() -> None:
    fields = sent(
        (b"connection", b"close, X-Private"),
        (b"x-private", b"1"),
        (b"keep-alive", b"timeout=5"),
        (b"te", b"trailers"),
        (b"upgrade", b"h2c"),
        (b"transfer-encoding", b"chunked"),
        (b"content-length", b"3"),
        (b"proxy-authorization", b"Basic x"),
    )
    assert names(fields) == {"host", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "via"}


def test_forwarding_fields_are_the_gateways_own_words() -> None:
    fields = sent(
        (b"x-forwarded-for", b"6.6.6.6"),
        (b"forwarded", b"for=6.6.6.6"),
        (b"x-real-ip", b"6.6.6.6"),
        (b"host", b"evil"),
        (b"x-forwarded-host", b"evil"),
        (b"x-forwarded-proto", b"gopher"),
    )
    assert sorted(fields) == [
        ("Host", "write-api:8080"),
        ("Via", "1.1 hcs-gateway"),
        ("X-Forwarded-For", "203.0.113.7, 10.0.0.1"),
        ("X-Forwarded-Host", "shop.example"),
        ("X-Forwarded-Proto", "https"),
    ]


@pytest.mark.parametrize("value", [b"caf\xe9", b"a\x00b", b"a\x7fb", b"a\rb"])
def test_a_value_that_is_not_text_is_refused_by_name(value: bytes) -> None:
    with pytest.raises(headers.MalformedHeader, match="x-note"):
        sent((b"x-note", value))


def test_an_answer_keeps_its_fields_but_those_of_its_connection() -> None:
    fields = headers.to_client(
        [
            (b"ETag", b'"7"'),
            (b"Content-Length", b"2"),
            (b"Connection", b"x-hop"),
            (b"X-Hop", b"1"),
            (b"Set-Cookie", b"a=1"),
            (b"Set-Cookie", b"b=2"),
            (b"Date", b"now"),
            (b"Server", b"uvicorn"),
            (b"X-Served-By", b"me"),
        ],
        "read-api",
        200,
    )
    assert fields == [
        (b"etag", b'"7"'),
        (b"content-length", b"2"),
        (b"set-cookie", b"a=1"),
        (b"set-cookie", b"b=2"),
        (b"x-served-by", b"read-api"),
    ]


def test_a_chunked_answer_has_no_length() -> None:
    fields = headers.to_client([(b"Transfer-Encoding", b"chunked"), (b"Content-Length", b"2")], "read-api", 200)
    assert fields == [(b"x-served-by", b"read-api")]
