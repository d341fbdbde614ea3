"""Who may wait for an upstream instead of being refused: a bounded number of keyed writes, while there is hope.

A POST with an Idempotency-Key can be made later, or again, without harm; so it waits for a circuit that is open, and
after a failure that may pass, until its own deadline. What it costs is bounded three ways: places, bytes, and hope,
which is lost once the upstream has given no answer for a while. Who is not let in is answered at once.
Pure: `now` is a monotonic time in seconds, given by the caller.
"""

from enum import StrEnum

PLACES = 512
BYTES = 4 * 1024 * 1024
HOPE_SECONDS = 30.0
"""How long an upstream may give no answer before nobody waits for it any more: a failover takes less."""
MARGIN_SECONDS = 1.0
"""What is left of a deadline for the call itself when the waiting ends; less, and an upstream with a queue of its own
would often work in vain."""


class Declined(StrEnum):
    """Why a call may not wait."""

    LATE = "late"
    """Its deadline comes before the next try could be made."""
    FULL = "full"
    """All places, or all bytes, are taken."""
    HOPELESS = "hopeless"
    """The upstream has been silent for too long."""


class WaitingRoom:
    """The waiting calls of one route."""

    def __init__(self, *, places: int = PLACES, size: int = BYTES, hope: float = HOPE_SECONDS) -> None:
        self._places, self._size, self._hope = places, size, hope
        self.waiting = 0
        self.bytes = 0
        self._silent_since: float | None = None

    def declines(self, size: int, patience: float, now: float) -> Declined | None:
        """Why a call of `size` bytes that can wait for `patience` seconds is not let in; None if it is."""
        if patience <= 0:
            return Declined.LATE
        if self._silent_since is not None and now - self._silent_since >= self._hope:
            return Declined.HOPELESS
        if self.waiting >= self._places or self.bytes + size > self._size:
            return Declined.FULL
        return None

    def enter(self, size: int) -> None:
        """Take a place for a call that is not declined."""
        self.waiting += 1
        self.bytes += size

    def leave(self, size: int) -> None:
        """Free the place of a call that was let in."""
        self.waiting -= 1
        self.bytes -= size

    def answered(self) -> None:
        """Report that the upstream has answered a call."""
        self._silent_since = None

    def failed(self, now: float) -> None:
        """Report a call that the upstream did not answer, or refused because of its own state."""
        if self._silent_since is None:
            self._silent_since = now
