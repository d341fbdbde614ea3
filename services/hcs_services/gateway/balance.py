"""Which endpoint a call goes to: the less busy of two drawn at random.

Two choices are nearly as even as asking all (Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing",
2001), and many gateways that choose so do not all run to the same idle endpoint.
"""

from collections.abc import Sequence
from random import Random
from typing import Protocol, TypeVar


class Busy(Protocol):
    """Anything that counts its calls under way."""

    @property
    def in_flight(self) -> int:
        """Calls begun and not ended."""


Choice = TypeVar("Choice", bound=Busy)


def choose(endpoints: Sequence[Choice], random: Random, tried: Choice | None = None) -> Choice | None:
    """Return an endpoint other than `tried`; None if there is no other."""
    candidates = [endpoint for endpoint in endpoints if endpoint is not tried] if tried is not None else endpoints
    if len(candidates) < 2:
        return candidates[0] if candidates else None
    one, other = random.sample(candidates, 2)
    return one if one.in_flight <= other.in_flight else other
