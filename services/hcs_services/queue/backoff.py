"""How long to wait before the next attempt to connect: exponential with full jitter, so that clients do not come back
in step after a broker's restart (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Backoff:
    """Delays in seconds between `floor` and a ceiling that doubles from `first` up to `limit`."""

    first: float = 0.2
    limit: float = 5.0
    floor: float = 0.05
    uniform: Callable[[float, float], float] = random.uniform
    _failures: int = field(default=0, init=False)

    def next(self) -> float:
        """Return the delay after one more failure."""
        ceiling = min(self.limit, self.first * 2.0 ** min(self._failures, 16))
        self._failures += 1
        return self.uniform(self.floor, ceiling)

    def reset(self) -> None:
        """Start over after a success."""
        self._failures = 0
