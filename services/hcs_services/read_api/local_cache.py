"""L1: what this process has seen in the last second. It takes the heat off a hot key; nothing more is promised."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from hcs_services.cache import Entry


class LocalCache:
    """At most `size` entries, none older than `seconds` (≤ 1), least recently used out first."""

    def __init__(self, size: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._size = size
        self._seconds = seconds
        self._clock = clock
        self._entries: OrderedDict[str, tuple[float, Entry]] = OrderedDict()

    def get(self, key: str) -> Entry | None:
        """The entry seen under the key within the last second."""
        found = self._entries.get(key)
        if found is None:
            return None
        seen, entry = found
        if self._clock() - seen >= self._seconds:
            del self._entries[key]
            return None
        self._entries.move_to_end(key)
        return entry

    def put(self, key: str, entry: Entry) -> None:
        """Remember what Redis or the database has just answered, unless a newer version was seen within the second."""
        held = self.get(key)
        if held is not None and held.version > entry.version:
            return
        self._entries[key] = (self._clock(), entry)
        self._entries.move_to_end(key)
        while len(self._entries) > self._size:
            self._entries.popitem(last=False)

    def recent(self, count: int) -> list[str]:
        """The most recently used keys, for the sampler."""
        keys = reversed(self._entries)
        return [key for key, _ in zip(keys, range(count), strict=False)]
