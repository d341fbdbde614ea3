from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from hcs_services.identifiers import (
    EPOCH,
    MAX_ORDER_ID,
    TASK_TYPES,
    TaskId,
    compose_order_id,
    is_id,
    new_order_id,
    new_task_id,
    parse_order_id,
    parse_task_id,
    public_order_id,
    slot_of,
)
from hcs_services.models import Identifier

NOW = datetime(2026, 11, 23, 20, 0, tzinfo=UTC)
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ*~$=U"
order_ids = st.integers(0, MAX_ORDER_ID)


@pytest.mark.parametrize("text", ["a", "-", "...", ".a", "a.", "..a..", "a" * 64, "." * 64, "." * 63 + "a"])
def test_a_product_can_have_this_id(text: str) -> None:
    assert is_id(text)
    assert TypeAdapter(Identifier).validate_python(text) == text


@pytest.mark.parametrize("text", ["", ".", "..", "a b", "a/b", "é", "a\n", "a" * 65, "." * 65])
def test_no_product_can_have_this_id(text: str) -> None:
    assert not is_id(text)
    with pytest.raises(ValidationError):
        TypeAdapter(Identifier).validate_python(text)


@given(order_ids)
def test_a_public_order_id_leads_back_to_its_number(order_id: int) -> None:
    assert order_id == parse_order_id(public_order_id(order_id))


@given(order_ids, st.integers(0, 13), st.sampled_from(ALPHABET))
def test_one_wrong_character_is_noticed(order_id: int, position: int, character: str) -> None:
    text = public_order_id(order_id)
    wrong = text[:position] + character + text[position + 1 :]

    if wrong != text:
        assert parse_order_id(wrong) is None


@given(order_ids, st.integers(0, 11))
def test_two_swapped_neighbours_are_noticed(order_id: int, position: int) -> None:
    text = public_order_id(order_id)
    swapped = text[:position] + text[position + 1] + text[position] + text[position + 2 :]

    if swapped != text:
        assert parse_order_id(swapped) is None


@given(st.text(max_size=40))
def test_any_other_text_is_no_order_id(text: str) -> None:
    found = parse_order_id(text)

    assert found is None or public_order_id(found) == text


@pytest.mark.parametrize("text", ["", "0", "06ynje7fw9z2yy", "06YNJE7FW9Z2Y", "ZZZZZZZZZZZZZ0", "\x00" * 14, "½" * 14])
def test_a_form_that_is_not_canonical_is_refused(text: str) -> None:
    assert parse_order_id(text) is None


@given(st.text(min_size=1, max_size=64))
def test_a_new_order_id_carries_time_and_slot_and_stands_in_urls(user_id: str) -> None:
    order_id = new_order_id(user_id, NOW)

    assert (NOW - EPOCH) // timedelta(milliseconds=1) == order_id >> 22
    assert slot_of(user_id) == (order_id >> 10) & 4095
    assert public_order_id(order_id).isalnum()


def test_order_ids_of_one_user_sort_by_time() -> None:
    earlier, later = new_order_id("ada", NOW), new_order_id("ada", NOW + timedelta(milliseconds=1))

    assert earlier < later


def test_a_time_before_the_epoch_does_not_fit() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        compose_order_id(datetime(2024, 12, 31, tzinfo=UTC), 0, 0)


@pytest.mark.parametrize("order_id", [-1, MAX_ORDER_ID + 1])
def test_a_number_beyond_63_bits_has_no_public_form(order_id: int) -> None:
    with pytest.raises(ValueError, match="63 bits"):
        public_order_id(order_id)


@given(st.sampled_from(sorted(TASK_TYPES)), st.integers(0, 2 * 10**15))
def test_a_task_id_tells_its_type_and_time(name: str, microseconds: int) -> None:
    moment = EPOCH + timedelta(microseconds=microseconds)

    found = parse_task_id(b"key", new_task_id(b"key", name, moment))

    assert TaskId(name, moment - timedelta(microseconds=moment.microsecond % 1000)) == found


@given(st.integers(0, 39), st.sampled_from("0123456789ABCDEFGHIJKLMNOPQRSTUV"))
def test_a_changed_task_id_is_not_ours(position: int, character: str) -> None:
    text = new_task_id(b"key", "send_email", NOW)
    changed = text[:position] + character + text[position + 1 :]

    if changed != text:
        assert parse_task_id(b"key", changed) is None


@given(st.text(max_size=60))
def test_any_text_is_judged_without_an_error(text: str) -> None:
    assert parse_task_id(b"key", text) is None


def test_a_task_id_of_another_stack_is_not_ours() -> None:
    assert parse_task_id(b"other", new_task_id(b"key", "sync_data", NOW)) is None


def test_task_ids_sort_by_time() -> None:
    earlier, later = (new_task_id(b"key", "sync_data", NOW + timedelta(milliseconds=n)) for n in (0, 1))

    assert earlier < later
