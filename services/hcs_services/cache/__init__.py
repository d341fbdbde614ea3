"""The Redis cache: versioned entries, leases for fills, tombstones.

Writers call `put_order`, `put_product`, `bump_list` or `put_many` after their commit; readers call `get`, `acquire`,
`fill`. The rules that keep a stale value from staying are in `scripts`, where Redis runs them atomically.
"""

from hcs_services.cache.availability import CacheUnavailable
from hcs_services.cache.client import connect
from hcs_services.cache.entity_cache import CacheFigures, EntityCache, Fill, FillOutcome, Lease
from hcs_services.cache.entry import (
    Change,
    Entry,
    list_change,
    list_key,
    order_change,
    order_key,
    page_key,
    product_change,
    product_key,
)
from hcs_services.cache.policy import CachePolicy

__all__ = [
    "CacheFigures",
    "CachePolicy",
    "CacheUnavailable",
    "Change",
    "EntityCache",
    "Entry",
    "Fill",
    "FillOutcome",
    "Lease",
    "connect",
    "list_change",
    "list_key",
    "order_change",
    "order_key",
    "page_key",
    "product_change",
    "product_key",
]
