"""The three reads of the API, free of HTTP: an order, a product, a page of a user's orders."""

from __future__ import annotations

from functools import cache

from prometheus_client import Counter

from hcs_services.cache import EntityCache, list_key
from hcs_services.identifiers import parse_order_id
from hcs_services.problem import problem
from hcs_services.read_api import rows
from hcs_services.read_api.cached_reads import Answer, CachedReads
from hcs_services.read_api.demand import Demand
from hcs_services.read_api.pages import Page, PageReads
from hcs_services.read_api.sources import Sources

CACHE_READS = Counter(
    "hcs_cache_reads_total",
    "Users' reads, by whether a cache (L1 or Redis) answered or not; decides the number of read replicas.",
    ["result"],
)
for _result in ("hit", "miss"):
    CACHE_READS.labels(_result)  # a ratio needs both from the first scrape on
ANSWERS = Counter(
    "hcs_read_answers_total", "Users' reads, by what answered: l1, cache, replica or primary.", ["source"]
)


class Reads:
    """Answers the API's reads. An absent thing is an answer without data, not an error."""

    def __init__(self, cached: CachedReads, cache: EntityCache, sources: Sources) -> None:
        self._cached = cached
        self._pages = PageReads(cached, cache, sources)

    async def order(self, public_id: str, demand: Demand) -> Answer | None:
        """An order; None for a malformed id, which costs neither cache nor database."""
        order_id = parse_order_id(public_id)
        if order_id is None:
            return None
        row = rows.order(order_id, public_id)
        return _counted(await self._cached.read(row, demand.want(row.key)))

    async def product(self, product_id: str, demand: Demand) -> Answer:
        """A product; the id is well-formed."""
        row = rows.product(product_id)
        return _counted(await self._cached.read(row, demand.want(row.key)))

    async def orders_of(self, user_id: str, limit: int, cursor: str | None, demand: Demand) -> Answer:
        """A page of a user's orders, newest first; raises the problem `malformed-cursor`."""
        page = Page(user_id, limit)
        if cursor is not None:
            after = parse_order_id(cursor)
            if after is None:
                raise problem("malformed-cursor", "The cursor is not one that a page of orders gave.")
            page = Page(user_id, limit, cursor, after)
        return _counted(await self._pages.read(page, demand.want(list_key(user_id))))


def _counted(answer: Answer) -> Answer:
    for series in _series(answer.source, "hit" if answer.from_cache else "miss"):
        series.inc()
    return answer


@cache
def _series(source: str, result: str) -> tuple[Counter, Counter]:
    """What a read counts in, looked up once: there are four sources."""
    return CACHE_READS.labels(result), ANSWERS.labels(source)
