"""What one process has granted while it could not ask Redis: taken there with the next question about the client.

Else every second without Redis would be granted twice: by the shares meanwhile, and by a bucket that was refilled.
"""

from collections import OrderedDict

from hcs_services.gateway.rate_limit import MAX_CLIENTS


class Debts:
    """The debts of all clients, in tokens; beyond its bound the one that has stood still longest is forgotten."""

    def __init__(self, max_clients: int = MAX_CLIENTS) -> None:
        self._max_clients = max_clients
        self._owed: OrderedDict[bytes, float] = OrderedDict()

    def add(self, client: bytes, tokens: float) -> None:
        """So many tokens were granted and not taken from the bucket in Redis."""
        self._owed[client] = self.settled(client) + tokens
        if len(self._owed) > self._max_clients:
            self._owed.popitem(last=False)

    def settled(self, client: bytes) -> float:
        """Return what was granted since the last time, and forget it."""
        return self._owed.pop(client, 0.0)
