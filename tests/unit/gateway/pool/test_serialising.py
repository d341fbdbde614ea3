"""A request is written in one way."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hcs_services.gateway.pool.serialising import request

pytestmark = pytest.mark.unit


def test_a_request_is_its_line_its_fields_its_length_and_its_body() -> None:
    fields = [("Host", "read-api:8080"), ("x-note", "grüße")]
    expected = (
        "POST /api/v1/orders?a=%20 HTTP/1.1\r\nHost: read-api:8080\r\nx-note: grüße\r\nContent-Length: 2\r\n\r\nok"
    )
    assert request("POST", "/api/v1/orders?a=%20", fields, b"ok") == expected.encode()


@pytest.mark.parametrize(("method", "length"), [("GET", 0), ("HEAD", 0), ("POST", 1), ("PATCH", 1), ("DELETE", 1)])
def test_only_who_may_have_a_body_says_that_it_is_empty(method: str, length: int) -> None:
    assert request(method, "/", [], b"").count(b"Content-Length: 0\r\n") == length


@given(
    st.sampled_from(["method", "target", "name", "value"]),
    st.text(max_size=5),
    st.sampled_from(["\r", "\n", "\r\n", "\0", "\r\n\r\n"]),
    st.text(max_size=5),
)
def test_no_part_ends_before_its_end(part: str, before: str, end: str, after: str) -> None:
    parts = {"method": "GET", "target": "/", "name": "x", "value": "1", part: before + end + after}
    with pytest.raises(ValueError, match="holds the end of a line"):
        request(parts["method"], parts["target"], [(parts["name"], parts["value"])], b"")


@pytest.mark.parametrize(("method", "target"), [("GET", "/a HTTP/1.1"), ("GET /a", "/b")])
def test_a_request_line_has_three_words(method: str, target: str) -> None:
    with pytest.raises(ValueError, match="a blank too many"):
        request(method, target, [], b"")
