"""Products that no cache has, at the read API with a reader, beside bare asyncmy loops over the same rows."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from benchmarks.services import bare, products
from benchmarks.services.engines import Beside
from benchmarks.services.measurement import PRODUCT, Sample
from benchmarks.services.rounds import Comparison, Contender
from benchmarks.services.stage import Stage
from benchmarks.services.wrk import Failed

from hcs_services.settings import Settings

TURNS, A_TURN = 3, 100_000
"""As many products for a turn as it does not read; when they come again, those of two other turns were read since."""
_FIRST = 1_000_000
"""The first one's number: smaller ones are those of the rows of cached reads."""
_CONNECTIONS = int(Settings.model_fields["reader_pool_size"].default)
# What a read asks of a replica first: how old it is. In a stack the write API's relay says so.
_BEAT = """CREATE EVENT hcs.beat ON SCHEDULE EVERY 1 SECOND DO
INSERT INTO hcs.heartbeat VALUES (1, UTC_TIMESTAMP(6)) ON DUPLICATE KEY UPDATE beat_at = UTC_TIMESTAMP(6)"""


def comparisons(stage: Stage, beside: Beside) -> Iterator[Comparison]:
    """One row."""
    beside.mysql.primary.run(_BEAT)
    for first in range(0, TURNS * A_TURN, 1000):
        numbers = range(_FIRST + first, _FIRST + first + 1000)
        beside.add_products([tuple(products.row(number).values()) for number in numbers])
    beside.start_reader()
    loops = {
        "DATABASE_HOST": beside.mysql.readers_host,
        "DATABASE_PASSWORD": beside.mysql.password("read"),
        "DATABASE_CA": str(beside.credentials / "database" / "ca.crt"),
    }
    product = stage.product("read-api", {"CACHE_PASSWORD": beside.redis.password, **beside.environment})
    bounds = _FIRST, _FIRST + TURNS * A_TURN
    turns = itertools.cycle(_turns(stage))

    def drive(seconds: float) -> Sample:
        return _missing(beside, seconds, product.loaded("/", next(turns)))

    def at_rate(per_second: float, seconds: float) -> Sample:
        return _missing(beside, seconds, partial(product.steady(next(turns)), per_second))

    contenders = [
        Contender(PRODUCT, drive, at_rate=at_rate),
        Contender("bare asyncmy loops", bare.driven("bare_selects", loops, _CONNECTIONS, *bounds), 0.4),
    ]
    yield Comparison("read-miss", "GET of a product that no cache has", contenders)


def _turns(stage: Stage) -> list[Path]:
    """Each turn reads products of its own."""
    starts = range(_FIRST, _FIRST + TURNS * A_TURN, A_TURN)
    return [products.requests(stage.folder / f"misses-{start}", range(start, start + A_TURN)) for start in starts]


def _missing(beside: Beside, seconds: float, drive: Callable[[float], Sample]) -> Sample:
    """A turn from an empty Redis. Raises Failed if it came to a product for the second time."""
    beside.redis.command("FLUSHALL")
    sample = drive(seconds)
    if sample.per_second * seconds > A_TURN:
        raise Failed(f"more than {A_TURN:,} products were read, so that not all were misses")
    return sample
