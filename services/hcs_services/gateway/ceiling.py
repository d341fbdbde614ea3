"""What each client's bucket in Redis holds at most, from what Redis last said of it: enough to refuse without asking.

Others take from the bucket and only time adds to it, at a rate that is known. So what was left after an answer, and
what has been refilled since the question was sent, is never less than what is there: whoever is refused here would be
refused there, and nobody is ever admitted here. Only if Redis has lost its buckets is there more; then this is right
again after the next answer, at the latest once the quota's own time to refill has passed.
"""

from collections import OrderedDict

from hcs_services.gateway.rate_limit import MAX_CLIENTS, Quota, Verdict


class Ceiling:
    """The upper bounds of all clients that one process has asked about lately. `now` is monotonic, in seconds."""

    def __init__(self, quota: Quota, max_clients: int = MAX_CLIENTS) -> None:
        self._quota = quota
        self._max_clients = max_clients
        self._said: OrderedDict[bytes, tuple[float, float]] = OrderedDict()

    def learn(self, client: bytes, tokens: float, asked_at: float) -> None:
        """Redis was asked at this moment, and left so many tokens. Answers are told in the order of their questions."""
        self._said[client] = (tokens, asked_at)
        self._said.move_to_end(client)
        if len(self._said) > self._max_clients:
            self._said.popitem(last=False)

    def refusal(self, client: bytes, cost: float, now: float) -> Verdict | None:
        """Return the verdict if Redis could only refuse; None if it has to be asked."""
        said = self._said.get(client)
        if said is None:
            return None
        tokens, asked_at = said
        most, need = self._quota.refilled(tokens, now - asked_at), min(cost, self._quota.capacity)
        return None if most >= need else self._quota.verdict(most, need, allowed=False)
