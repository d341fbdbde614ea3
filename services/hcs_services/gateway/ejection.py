"""Which endpoints of an upstream are left out for a while: those that failed several times in a row.

At most half of the endpoints are ever out: when most of them fail, the fault is not theirs, and the rest must not carry
everything. Each further ejection lasts twice as long, up to a bound; the first success forgets it all.
Pure: `now` is a monotonic time in seconds, given by the caller.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)


@dataclass(slots=True)
class _Record:
    in_a_row: int = 0
    ejections: int = 0
    until: float = 0.0


class Ejections(Generic[Key]):
    """The failing endpoints of one upstream."""

    def __init__(self, *, after: int = 3, first: float = 2.0, longest: float = 30.0) -> None:
        self._after, self._first, self._longest = after, first, longest
        self._records: dict[Key, _Record] = {}

    def succeeded(self, endpoint: Key) -> None:
        """Report an answer."""
        self._records.pop(endpoint, None)

    def failed(self, endpoint: Key, now: float) -> None:
        """Report a failure. After an ejection the next failure ejects again at once."""
        record = self._records.setdefault(endpoint, _Record())
        record.in_a_row += 1
        if record.in_a_row >= self._after and now >= record.until:
            record.until = now + min(self._longest, self._first * 2**record.ejections)
            record.ejections = min(record.ejections + 1, 16)

    def forget(self, endpoint: Key) -> None:
        """Drop an endpoint that is gone."""
        self._records.pop(endpoint, None)

    def admitted(self, endpoints: Sequence[Key], now: float) -> list[Key]:
        """Return the endpoints that may be called: all but the ejected ones, and never fewer than half."""
        if not self._records:
            return list(endpoints)
        until = {key: record.until for key, record in self._records.items() if record.until > now}
        out = sorted((key for key in endpoints if key in until), key=until.__getitem__, reverse=True)
        left_out = set(out[: len(endpoints) // 2])
        return [key for key in endpoints if key not in left_out]
