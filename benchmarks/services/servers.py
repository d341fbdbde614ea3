"""The read API on its own HTTP edge, beside the same application under uvicorn as it comes and under granian."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.services import products, reads
from benchmarks.services.engines import Beside
from benchmarks.services.measurement import PRODUCT
from benchmarks.services.rounds import Comparison, Contender
from benchmarks.services.stage import Stage

_APP = "benchmarks.services.other_server:app"
_GRANIAN = ["granian", "--interface=asgi", "--host=127.0.0.1", "--http=1", "--workers=1", "--loop=uvloop"]


def comparisons(stage: Stage, beside: Beside) -> Iterator[Comparison]:
    """One row: hits in the process, where a server's share of a request is greatest."""
    reads.fill(beside)
    environment = {"CACHE_PASSWORD": beside.redis.password, "HCS_TIER": "read-api", **beside.environment}
    hot = products.requests(stage.folder / "hot", range(reads.HOT_KEYS))
    servers = {PRODUCT: stage.product("read-api", environment)}
    servers["uvicorn as it comes"] = stage.plain("other_server", environment)
    servers |= {
        f"granian, {mode} runtime": stage.program(
            f"granian-{mode}", [*_GRANIAN, f"--runtime-mode={mode}", _APP], environment
        )
        for mode in ("mt", "st")
    }
    contenders = [
        Contender(name, server.loaded("/", hot), at_rate=server.steady(hot)) for name, server in servers.items()
    ]
    yield Comparison("servers", "another server: cached GET, hits in the process", contenders)
