"""Entries on the wire, their two lives, and early renewal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hcs_services.cache.entry import NULL, TOMBSTONE, VALUE, Entry, decode, order_change, physical_lifetime_ms

pytestmark = pytest.mark.unit

numbers = st.integers(0, 2**53 - 1)
entries = st.builds(
    Entry, numbers, st.none(), numbers, numbers, numbers, st.sampled_from([NULL, TOMBSTONE])
) | st.builds(Entry, numbers, st.binary(), numbers, numbers, numbers, st.just(VALUE))


@given(entries)
def test_an_entry_comes_back_as_it_was_stored(entry: Entry) -> None:
    assert decode(entry.encode()) == entry


@given(st.binary() | st.text("0123456789|vnt{}x-").map(str.encode))
def test_bytes_of_another_format_are_a_miss_and_no_error(raw: bytes) -> None:
    found = decode(raw)
    assert found is None or decode(found.encode()) == found


@given(st.integers(1, 10**9), st.floats(0, 0.99), st.floats(0, 1, exclude_max=True))
def test_the_physical_life_is_twice_the_logical_one_give_or_take_the_jitter(ms: int, jitter: float, u: float) -> None:
    physical = physical_lifetime_ms(ms, jitter, u)
    assert 2 * ms * (1 - jitter) - 1 <= physical <= 2 * ms * (1 + jitter) + 1


@given(st.integers(0, 10**6), st.integers(0, 10**4), st.floats(1e-9, 1.0))
def test_a_refresh_is_due_at_the_latest_when_the_entry_expires(now: int, delta: int, u: float) -> None:
    entry = Entry(1, b"{}", 0, 500_000, delta)
    assert entry.refresh_due(now, u) or not entry.expired(now)


def test_an_entry_that_cost_more_to_load_is_renewed_earlier() -> None:
    cheap, dear = Entry(1, b"{}", 0, 10_000, 1), Entry(1, b"{}", 0, 10_000, 5_000)
    assert (cheap.refresh_due(6_000, 0.3), dear.refresh_due(6_000, 0.3)) == (False, True)


def test_age_is_never_negative_though_clocks_differ() -> None:
    assert Entry(1, b"{}", 5_000, 1_000).age_seconds(4_000) == 0


def test_a_change_of_an_order_carries_its_key_and_version() -> None:
    change = order_change({"order_id": "06YNJE7FW9Z2YY", "version": 7})
    assert (change.key, change.version) == ("o:06YNJE7FW9Z2YY", 7)
