"""L1: what this process has seen in the last second. It takes the heat off a hot key; nothing more is promised."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from hcs_services.cache import Entry

MAX_BYTES = 32 << 20  # pages of a hundred orders are tens of kilobytes each


class LocalCache:
    """At most `size` entries and `max_bytes` of documents, none older than `seconds` (≤ 1), least recently used out."""

    def __init__(
        self, size: int, seconds: float, clock: Callable[[], float] = time.monotonic, *, max_bytes: int = MAX_BYTES
    ) -> None:
        self._size = size
        self._max_bytes = max_bytes
        self._bytes = 0
        self._seconds = seconds
        self._clock = clock
        self._entries: OrderedDict[str, tuple[float, Entry]] = OrderedDict()

    def get(self, key: str) -> Entry | None:
        """The entry seen under the key within the last second."""
        found = self._entries.get(key)
        if found is None:
            return None
        seen, entry = found
        if self._outlived(seen):
            self._forget(key)
            return None
        self._entries.move_to_end(key)
        return entry

    def put(self, key: str, entry: Entry) -> None:
        """Remember what Redis or the database has just answered, unless a newer version was seen within the second."""
        held = self.get(key)
        if held is not None and held.version > entry.version:
            return
        if held is not None:
            self._forget(key)
        self._entries[key] = (self._clock(), entry)
        self._bytes += _weight(entry)
        while self._entries and (
            len(self._entries) > self._size or self._bytes > self._max_bytes or self._outlived(self._first()[1])
        ):
            self._forget(self._first()[0])

    def recent(self, count: int) -> list[str]:
        """The most recently used keys, for the sampler."""
        keys = reversed(self._entries)
        return [key for key, _ in zip(keys, range(count), strict=False)]

    def _outlived(self, seen: float) -> bool:
        return self._clock() - seen >= self._seconds

    def _first(self) -> tuple[str, float]:
        """The least recently used key, and when its entry was seen: nobody may ask for it again, to have it go."""
        key, (seen, _) = next(iter(self._entries.items()))
        return key, seen

    def _forget(self, key: str) -> None:
        _, entry = self._entries.pop(key)
        self._bytes -= _weight(entry)


def _weight(entry: Entry) -> int:
    return len(entry.data or b"")
