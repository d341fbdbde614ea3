"""When a call may be tried once more, and how many such calls there may be.

A second try goes to another endpoint and is made only if the first one brought no byte of an answer and either
  * the request never left (no connection was made), or
  * doing it twice is harmless: GET and HEAD, or a POST with an Idempotency-Key.
DELETE and PATCH are conditional here (`If-Match`): a repeat of one that took effect is answered 409 or 412, and its
caller would take a success for a refusal; so they are not repeated once they were sent.
Tries are paid from a budget, so that an upstream that is down gets at most a fifth more calls, not twice as many.
"""

from enum import StrEnum

SAFE_METHODS = frozenset({"GET", "HEAD"})


class Failure(StrEnum):
    """How a call failed before any byte of an answer."""

    UNSENT = "unsent"
    """No connection: the upstream never saw the request."""
    UNKNOWN = "unknown"
    """The connection was lost after sending: the upstream may have acted."""


def may_repeat(failure: Failure, method: str, *, keyed: bool, allowed: bool) -> bool:
    """Return whether a second try is harmless; `keyed`: it has an Idempotency-Key; `allowed`: the route's setting."""
    if not allowed:
        return False
    return failure is Failure.UNSENT or method in SAFE_METHODS or (method == "POST" and keyed)


class RetryBudget:
    """Second tries as a share of the calls made: each call earns `ratio` of a try, up to `reserve` tries saved.

    The reserve is what a quiet upstream may spend at once, for example when one of its pods is killed.
    """

    def __init__(self, ratio: float = 0.2, reserve: float = 10.0) -> None:
        self._ratio, self._reserve = ratio, reserve
        self._balance = reserve

    def earn(self) -> None:
        """Count a call."""
        self._balance = min(self._reserve, self._balance + self._ratio)

    def spend(self) -> bool:
        """Take one try from the budget; False if it is used up."""
        if self._balance < 1:
            return False
        self._balance -= 1
        return True
