"""What the start-up tuning brings: the read API beside itself without a part of it, at a load that allocates."""

from __future__ import annotations

import random
from collections.abc import Iterator

from benchmarks.services import products, reads
from benchmarks.services.engines import Beside
from benchmarks.services.measurement import PRODUCT
from benchmarks.services.rounds import Comparison, Contender
from benchmarks.services.stage import Stage

_COLD_FOR_A_HOT = 3
_WITHOUT = {"collector": "without the collector's tuning", "loop": "on asyncio's own loop"}


def comparisons(stage: Stage, beside: Beside) -> Iterator[Comparison]:
    """One row: most reads replace something in the process by what Redis has, the others are hits in the process."""
    reads.fill(beside)
    environment = {"CACHE_PASSWORD": beside.redis.password, **beside.environment}
    cold = list(range(reads.HOT_KEYS, reads.KEYS))
    random.shuffle(cold)
    mixed = [
        number
        for first in range(0, len(cold), _COLD_FOR_A_HOT)
        for number in (*cold[first : first + _COLD_FOR_A_HOT], random.randrange(reads.HOT_KEYS))
    ]
    requests = products.requests(stage.folder / "mixed", mixed)
    servers = {PRODUCT: stage.product("read-api", environment)}
    servers |= {words: stage.untuned(part, "read-api", environment) for part, words in _WITHOUT.items()}
    contenders = [
        Contender(name, server.loaded("/", requests), at_rate=server.steady(requests))
        for name, server in servers.items()
    ]
    yield Comparison("startup", "start-up tuning: cached GET, hits in the process and in Redis", contenders)
