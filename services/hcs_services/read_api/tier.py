"""Puts the read API's parts together."""

from __future__ import annotations

from hcs_services.admin import Admin
from hcs_services.cache import EntityCache
from hcs_services.database.members import PrimaryPool
from hcs_services.database.readers import ReaderPool
from hcs_services.read_api import app
from hcs_services.read_api.cached_reads import CachedReads
from hcs_services.read_api.heavy_hitters import HeavyHitters
from hcs_services.read_api.local_cache import LocalCache
from hcs_services.read_api.reads import Reads
from hcs_services.read_api.rows import Row
from hcs_services.read_api.sampler import Sampler
from hcs_services.read_api.selftest import Selftest
from hcs_services.read_api.sources import Sources
from hcs_services.read_api.warm_up import WINDOW_SECONDS, WarmUp
from hcs_services.server import Background, Tier
from hcs_services.settings import Settings

_USER = "hcs_read"


def build(settings: Settings) -> Tier:
    """The tier; raises MissingCredentialError where the tokens' key is not mounted. Nothing is connected yet."""
    settings.signing_key("consistency")
    cache = EntityCache.open(settings)
    local = LocalCache(settings.l1_entries, settings.l1_ttl_ms / 1000)
    primary = PrimaryPool.of(settings, _USER)
    replicas = ReaderPool.of(settings, _USER, primary)
    sources = Sources(
        replicas,
        primary,
        replica_reads=settings.replica_reads,
        primary_reads=settings.primary_reads,
        wait_seconds=settings.consistency_max_wait_ms / 1000,
    )
    hot: HeavyHitters[Row] = HeavyHitters(settings.warm_up_keys, WINDOW_SECONDS)
    # a load that outlives its lease could not be filled
    cached = CachedReads(cache, local, sources, hot, flight_seconds=settings.fill_lease_ms / 1000)
    warm_up = WarmUp(cache, cached, hot, permits=min(settings.replica_reads, settings.primary_reads))
    admin = Admin()
    admin.selftest = Selftest(cache, replicas, primary).run

    async def start(background: Background) -> None:
        """Look once, so that the first request finds its servers; a database that is away delays nothing."""
        await primary.refresh()
        await replicas.refresh()
        background.spawn("primary", primary.watch())
        background.spawn("replicas", replicas.watch())
        background.spawn("warm-up", warm_up.watch())
        background.spawn("sampler", Sampler(cache, local, sources).watch())

    async def stop() -> None:
        await cached.close()
        await replicas.close()
        await primary.close()
        await cache.close()

    served = app.create(settings, Reads(cached, cache, sources), replicas.frozen_seconds)
    return Tier(served, admin, start, stop)
