"""Products that no cache has, at the read API with a reader, beside bare asyncmy loops over the same rows."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

from benchmarks.services import bare, products
from benchmarks.services.engines import Beside
from benchmarks.services.measurement import PRODUCT, Sample
from benchmarks.services.rounds import Comparison, Contender
from benchmarks.services.stage import Server, Stage

from hcs_services.settings import Settings

TURNS, A_TURN = 5, 20_000
"""As many products for a turn as it cannot read; when they come again, four times as many were read since."""
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
    contenders = [
        Contender(PRODUCT, _missing(stage, beside, product)),
        Contender("bare asyncmy loops", bare.driven("bare_selects", loops, _CONNECTIONS, *bounds), 0.4),
    ]
    yield Comparison("read-miss", "GET of a product that no cache has", contenders)


def _missing(stage: Stage, beside: Beside, product: Server) -> Callable[[float], Sample]:
    """Each turn reads products of its own, from an empty Redis."""
    starts = range(_FIRST, _FIRST + TURNS * A_TURN, A_TURN)
    files = [products.requests(stage.folder / f"misses-{start}", range(start, start + A_TURN)) for start in starts]
    next_file = itertools.cycle(files)

    def drive(seconds: float) -> Sample:
        beside.redis.command("FLUSHALL")
        return product.loaded("/", next(next_file))(seconds)

    return drive
