"""The async API: accepts tasks with the broker's confirm, and says what became of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from hcs_services import application
from hcs_services.admin import Admin, SelftestResult
from hcs_services.async_api import routes
from hcs_services.async_api.acceptance import Acceptance
from hcs_services.async_api.repository import KeyRows, TaskRows
from hcs_services.async_api.task_results import TaskResults
from hcs_services.database.members import PrimaryPool
from hcs_services.database.readers import ReaderPool
from hcs_services.fast_posts import FastPosts, Post
from hcs_services.object_store import from_settings as object_store
from hcs_services.queue import NotAccepted, Publisher
from hcs_services.queue.session import broker_of
from hcs_services.queue.topology import PROBE
from hcs_services.server import Background, Tier
from hcs_services.settings import Settings

__all__ = ["build"]

_DESCRIPTION = "Accepts notifications, reports, payments and syncs as tasks, and answers what became of them."
_PROBE_SECONDS = 2.0


def build(settings: Settings) -> Tier:
    """The async API tier."""
    admin = Admin()
    publisher = Publisher(broker_of(settings), f"{settings.stack}-async-api")
    primary = PrimaryPool.of(settings, "hcs_app")
    readers = ReaderPool.of(settings, "hcs_read", primary)
    store = object_store(settings)
    acceptance = Acceptance(
        publisher.publish,
        KeyRows(primary),
        lambda: settings.signing_key("task"),
        publish_seconds=settings.publish_timeout,
    )
    results = TaskResults(TaskRows(primary, readers), store, lambda: settings.signing_key("task"))
    served = create(settings, acceptance, results, object_store=store is not None)

    async def start(background: Background) -> None:
        admin.selftest = lambda: selftest(publisher)
        background.spawn("publisher", publisher.run())
        background.spawn("primary", primary.watch())
        background.spawn("readers", readers.watch())

    async def stop() -> None:
        if store is not None:
            await store.close()
        await readers.close()
        await primary.close()

    return Tier(served, admin, start, stop)


def create(
    settings: Settings,
    acceptance: Acceptance,
    results: TaskResults,
    *,
    object_store: bool,
    front: Callable[[Any, Mapping[str, Post]], Any] = FastPosts,
) -> Any:
    """The ASGI application. `front` stands before FastAPI; `object_store` says whether one is configured."""
    accepted = routes.posts(acceptance, object_store=object_store)
    app, served = application.create("Async API", _DESCRIPTION, settings, front=lambda inner: front(inner, accepted))
    routes.add(app, accepted, results)
    return served


async def selftest(publisher: Publisher) -> SelftestResult:
    """Whether a task could be accepted now: a confirmed publish to the probe queue."""
    started = time.perf_counter()
    try:
        await publisher.publish(PROBE, b"{}", {}, _PROBE_SECONDS)
    except NotAccepted as error:
        return SelftestResult(ok=False, reason="QueueUnavailable", message=f"The queue did not confirm: {error}.")
    milliseconds = round((time.perf_counter() - started) * 1000, 2)
    return SelftestResult(
        ok=True, reason="Confirmed", message="The queue confirmed a probe.", data={"milliseconds": milliseconds}
    )
