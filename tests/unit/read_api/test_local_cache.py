"""L1."""

import pytest

from hcs_services.cache import Entry
from hcs_services.read_api.local_cache import LocalCache

pytestmark = pytest.mark.unit


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def entry(version: int) -> Entry:
    return Entry(version, b"{}", 0, 1_000)


def test_nothing_is_served_after_its_second() -> None:
    clock = Clock()
    local = LocalCache(10, 1.0, clock)
    local.put("o:a", entry(1))
    clock.now = 1.0
    assert local.get("o:a") is None


def test_a_newer_version_is_not_replaced_by_an_older_one() -> None:
    local = LocalCache(10, 1.0, Clock())
    local.put("o:a", entry(2))
    local.put("o:a", entry(1))
    assert entry(2) == local.get("o:a")


def test_the_least_recently_used_goes_first() -> None:
    local = LocalCache(2, 1.0, Clock())
    for key in ("o:a", "o:b"):
        local.put(key, entry(1))
    local.get("o:a")
    local.put("o:c", entry(1))
    assert local.recent(5) == ["o:c", "o:a"]


def test_a_size_of_nothing_holds_nothing() -> None:
    local = LocalCache(0, 1.0, Clock())
    local.put("o:a", entry(1))
    assert local.get("o:a") is None


def test_large_documents_push_others_out() -> None:
    local = LocalCache(100, 1.0, Clock(), max_bytes=10)
    for key, size in (("o:a", 4), ("o:a", 6), ("o:b", 4), ("o:c", 5)):
        local.put(key, Entry(1, b"x" * size, 0, 1_000))
    assert local.recent(5) == ["o:c", "o:b"]


def test_what_nobody_asks_for_again_does_not_stay() -> None:
    clock = Clock()
    local = LocalCache(100, 1.0, clock)
    for number in range(50):
        clock.now = number / 10
        local.put(f"o:{number}", entry(1))
    assert local.recent(100) == [f"o:{number}" for number in range(49, 39, -1)]
