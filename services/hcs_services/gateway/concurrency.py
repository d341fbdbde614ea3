"""How many calls of a route may be under way: as many as are answered quickly, found by trying.

Additive increase, multiplicative decrease, as TCP finds what a path carries (RFC 5681). A quick answer makes room for
one more, so that a burst at an upstream that keeps up doubles it with each round; one that is neither quick nor slow
for its share of one; a slow one takes a part away, once a round. Room that is not used does not grow (RFC 7661), and
is forgotten when nothing is under way, as is what was taken away long ago: what an upstream could do then says little
of what it can do now. So what an upstream has before it is about half a second's to a second's work, whatever it can
do, and more is refused while it is fresh, not answered late.

An upstream that answers nobody is not crowded, it is away (a failover takes seconds): calls go on to wait there, and
those that did are no crowd when it is back. Whether it comes back is for the circuit breaker to judge.
Pure: `now` is a monotonic time in seconds, given by the caller.
"""

START = 32.0
LEAST = 4.0
MOST = 1024
_BACK_OFF = 0.7
_LONG = 10.0
"""Seconds after which the last slow answer says nothing any more: longer than a circuit stays open for it."""


class ConcurrencyLimit:
    """The calls of one route; an answer is slow after `slow` seconds, and quick within half of that."""

    def __init__(self, slow: float) -> None:
        self._slow, self.quick = slow, slow / 2
        self.limit = START
        self.under_way = 0
        self._cut_at = float("-inf")
        self._heard_at = 0.0  # the last answer, or the first call that waits for one

    def has_room(self, now: float) -> bool:
        """Whether one more may be made."""
        return self.under_way < (MOST if self._is_away(now) else self.limit)

    def begin(self, now: float) -> None:
        """Count a call."""
        if self.under_way == 0:
            self._heard_at = now
        self.under_way += 1

    def end(self, seconds: float, now: float, *, answered: bool, shed: bool = False) -> None:
        """Count a call's end after `seconds`: with an answer, or without one that tells of the upstream.

        An answer by which the upstream `shed` the call is no sign that it could do with more.
        """
        if answered and self._is_away(now):
            self.limit, self._cut_at = max(self.limit, self.under_way), now
        used = self.under_way * 2 >= self.limit
        self.under_way -= 1
        if seconds >= self._slow:
            if now - seconds >= self._cut_at:  # made after the last cut: it is the smaller crowd that is too large
                self.limit, self._cut_at = max(LEAST, self.limit * _BACK_OFF), now
        elif answered and used and not shed:
            self.limit = min(MOST, self.limit + (1 if seconds < self.quick else 1 / self.limit))
        if answered:
            self._heard_at = now
        if self.under_way == 0:
            self.limit = START if now - self._cut_at >= _LONG else min(self.limit, START)

    def _is_away(self, now: float) -> bool:
        return self.under_way > 0 and now - self._heard_at >= self.quick
