"""The wire form of a task."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hcs_services.queue.message import MalformedMessage, TaskMessage, decode, tries_made

pytestmark = pytest.mark.unit

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
MOMENTS = st.datetimes(min_value=datetime(2025, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - naive by its API


@given(
    st.text("0123456789ABCDEFGHIJKLMNOPQRSTUV", min_size=1, max_size=64),
    st.sampled_from(["send_email", "other"]),
    st.dictionaries(st.text(max_size=8), JSON, max_size=4),
    MOMENTS,
)
def test_a_task_comes_back_as_it_was_sent(
    task_id: str, task_type: str, payload: dict[str, Any], created_at: datetime
) -> None:
    message = TaskMessage(task_id, task_type, payload, created_at)
    assert decode(message.encode()) == message


@given(st.binary(max_size=200))
def test_no_bytes_do_more_than_be_malformed(body: bytes) -> None:
    with pytest.raises(MalformedMessage):
        decode(body)


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b'{"task_id":"","type":"send_email","payload":{},"created_at":"2026-01-01T00:00:00Z"}',
        b'{"task_id":"a","type":1,"payload":{},"created_at":"2026-01-01T00:00:00Z"}',
        b'{"task_id":"a","type":"send_email","payload":[],"created_at":"2026-01-01T00:00:00Z"}',
        b'{"task_id":"a","type":"send_email","payload":{},"created_at":"2026-01-01T00:00:00"}',
        b'{"task_id":"a","type":"send_email","payload":{}}',
        b"[" * 100_000,
    ],
)
def test_a_body_of_another_form_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedMessage):
        decode(body)


@pytest.mark.parametrize(
    ("headers", "tries"), [({}, 0), ({"task-attempt": 20_160}, 20_160), ({"task-attempt": "x"}, 0)]
)
def test_a_missing_or_senseless_attempt_header_counts_as_none(headers: dict[str, Any], tries: int) -> None:
    assert tries_made(headers) == tries
