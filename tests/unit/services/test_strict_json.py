from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hcs_services.problem import Problem
from hcs_services.strict_json import is_json, parse

documents = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(documents)
def test_json_is_read_as_it_was_written(document: Any) -> None:
    assert document == parse(json.dumps(document).encode())


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused_with_400(body: bytes) -> None:
    try:
        parse(body)
    except Problem as refused:
        seen = refused.slug
    else:
        seen = "read"

    assert seen in {"malformed-json", "read"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"a":NaN}',
        b"[Infinity]",
        b'{"a":1,"a":2}',
        b'"\xff"',
        b"9" * 5000,
        b"[" * 17 + b"]" * 17,
        b"[" * 60_000,
        b"{} {}",
    ],
)
def test_a_body_with_two_readings_or_none_is_refused(body: bytes) -> None:
    with pytest.raises(Problem) as refused:
        parse(body)
    assert refused.value.status == 400


def test_sixteen_levels_are_accepted() -> None:
    parse(b"[" * 16 + b"]" * 16)


def test_brackets_in_strings_are_not_depth() -> None:
    assert parse(json.dumps("[" * 100 + '"').encode()) == "[" * 100 + '"'


def test_many_values_beside_each_other_are_not_depth() -> None:
    document = [{"a": ["[{", '"[', "\\"]}] * 40
    assert parse(json.dumps(document).encode()) == document


@given(st.integers(1, 40), st.text(), st.integers(0, 40))
def test_depth_counts_whatever_stands_in_the_strings(depth: int, text: str, beside: int) -> None:
    document: Any = [text, *([[text]] * beside)]
    for _ in range(depth - 1):
        document = {text: document}
    deepest = depth + (beside > 0)
    try:
        assert parse(json.dumps(document, ensure_ascii=False).encode("utf-8", "surrogatepass")) == document
    except Problem:
        assert deepest > 16
    else:
        assert deepest <= 16


@pytest.mark.parametrize(
    ("content_type", "accepted"),
    [
        ("application/json", True),
        ("Application/JSON; charset=UTF-8", True),
        ("application/merge-patch+json", True),
        ("application/json; charset=utf-16", False),
        ("text/json", False),
        ("application/x-www-form-urlencoded", False),
        ("", False),
        (None, False),
    ],
)
def test_only_json_in_utf_8_is_a_body(content_type: str | None, accepted: bool) -> None:
    assert accepted == is_json(content_type)
