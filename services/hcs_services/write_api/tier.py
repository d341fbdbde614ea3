"""The write API put together."""

from __future__ import annotations

import os
import secrets
import socket

from hcs_services import application
from hcs_services.admin import Admin
from hcs_services.cache import EntityCache
from hcs_services.database.members import PrimaryPool
from hcs_services.fast_posts import FastPosts
from hcs_services.queue.publisher import Publisher
from hcs_services.queue.session import Broker
from hcs_services.server import Background, Tier
from hcs_services.settings import Settings
from hcs_services.write_api import routes
from hcs_services.write_api.group_commit import OrderDesk
from hcs_services.write_api.relay import Relay
from hcs_services.write_api.selftest import Selftest
from hcs_services.write_api.service import WriteService
from hcs_services.write_api.unit import UnitOfWork

DESCRIPTION = "Products and orders: each write is transactional, keyed, versioned and answered with a token."


def build(settings: Settings) -> Tier:
    """The write API's application, its admin port, and how it starts and stops."""
    pool = PrimaryPool.of(settings, "hcs_app")
    cache = EntityCache.open(settings)
    broker = Broker(settings.queue_url, lambda: settings.credential("queue/password"))
    publisher = Publisher(broker, f"{settings.stack}-write-api")
    holder = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
    relay = Relay(pool, cache, publisher, settings, holder)
    unit = UnitOfWork(
        pool,
        cache,
        shard=settings.shard,
        token_key=lambda: settings.signing_key("consistency"),
        committed=relay.committed,
    )
    service = WriteService(
        task_key=lambda: settings.signing_key("task"), confirmation_mails=settings.confirmation_mails
    )
    fast = routes.posts(OrderDesk(pool, unit, service, settings))
    app, served = application.create(
        "HighConcurrencyStack write API", DESCRIPTION, settings, front=lambda inner: FastPosts(inner, fast)
    )
    routes.add_routes(app, service, unit, fast)
    admin = Admin()
    admin.selftest = Selftest(pool, cache)

    async def start(background: Background) -> None:
        settings.signing_key("consistency"), settings.signing_key("task")  # absent: fail now, not at the first write
        await pool.refresh()
        background.spawn("primary-watch", pool.watch())
        background.spawn("publisher", publisher.run())
        background.spawn("relay-lead", relay.lead())
        background.spawn("relay-cache", relay.relay_cache())
        background.spawn("relay-tasks", relay.relay_tasks())
        background.spawn("retention", relay.sweep())

    async def stop() -> None:
        await relay.stop()
        await pool.close()
        await cache.close()

    return Tier(served, admin, start, stop)
