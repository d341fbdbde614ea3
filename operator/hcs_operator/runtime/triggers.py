"""kopf as the eyes of the operator, and nothing else: the only module that imports it.

Its events put objects into the watch store and keys into the queue. None of its state-keeping is used: no finalizer,
no annotation, no PATCH, no event posting, no peering (each of them writes to users' objects). `on.event` alone writes
nothing; the settings make sure of the rest.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import kopf

from hcs_operator.config import Config
from hcs_operator.kube.aio import Login
from hcs_operator.kube.resources import RESOURCES, SCALER_KIND, STACK_KIND, WATCHED_KINDS
from hcs_operator.observe.store import STACK_LABEL, Key, WatchStore
from hcs_operator.runtime.queue import KeyedQueue

PREFIX = "operator.highconcurrency.dev"
COALESCE = 0.05
"""Seconds for which a burst of events waits to become one look."""

SignIn = Callable[[], Awaitable[Login]]


def registry(store: WatchStore, queue: KeyedQueue[Key], sign_in: SignIn, config: Config) -> kopf.OperatorRegistry:
    """Return the handlers: one for sign-in, one per kind for events (the initial list comes as events of type None)."""
    handlers = kopf.OperatorRegistry()

    @kopf.on.startup(registry=handlers)
    async def set_up(settings: kopf.OperatorSettings, **_: Any) -> None:
        configure(settings, namespaced=bool(config.namespaces))

    @kopf.on.login(registry=handlers)
    async def log_in(**_: Any) -> kopf.ConnectionInfo:
        found = await sign_in()
        return kopf.ConnectionInfo(
            server=found.server,
            ca_path=found.ca_path,
            insecure=found.insecure,
            scheme="Bearer" if found.token else None,
            token=found.token,
            certificate_path=found.certificate_path,
            private_key_path=found.private_key_path,
        )

    async def seen(event: kopf.RawEvent, **_: Any) -> None:
        notice(store, queue, event)

    for kind in (STACK_KIND, SCALER_KIND, *WATCHED_KINDS):
        resource = RESOURCES[kind]
        kopf.on.event(resource.group, resource.version, resource.plural, id=kind, registry=handlers)(seen)
    return handlers


def notice(store: WatchStore, queue: KeyedQueue[Key], event: kopf.RawEvent) -> None:
    """Remember one event's object and have the stacks it concerns looked at."""
    document: Any = event["object"]
    key = store.drop(document) if event["type"] == "DELETED" else store.put(document)
    if document["kind"] == SCALER_KIND:
        namespace = document["metadata"]["namespace"]
        for stack in store.stacks():
            if stack.namespace == namespace:
                queue.add(stack, COALESCE)
    elif key is not None:
        queue.add(key, COALESCE)


def configure(settings: kopf.OperatorSettings, *, namespaced: bool) -> None:
    """Set what kopf would else decide for itself."""
    settings.persistence.finalizer = f"{PREFIX}/unused"
    settings.persistence.progress_storage = kopf.AnnotationsProgressStorage(prefix=PREFIX)
    settings.persistence.diffbase_storage = kopf.AnnotationsDiffBaseStorage(prefix=PREFIX)
    settings.posting.enabled = False
    settings.peering.standalone = True
    settings.scanning.disabled = namespaced
    settings.networking.request_timeout = 30
    settings.networking.connect_timeout = 5
    settings.watching.connect_timeout = 5
    settings.watching.server_timeout = 600
    settings.watching.client_timeout = 630
    settings.watching.inactivity_timeout = 70
    settings.watching.chunk_size = 500
    settings.queueing.worker_limit = None
    settings.queueing.idle_timeout = 1
    settings.process.ultimate_exiting_timeout = 30
    for kind in WATCHED_KINDS:
        resource = RESOURCES[kind]
        # Without a selector on the server every Pod and Secret of the cluster would be listed.
        settings.watching.label_selectors[resource.group, resource.version, resource.plural] = STACK_LABEL


async def watch(handlers: kopf.OperatorRegistry, config: Config, started: Callable[[], None]) -> None:
    """Watch until cancelled. kopf takes over the signal handlers as it starts: `started` takes them back."""
    mine = asyncio.all_tasks()
    where: dict[str, Any] = {"namespaces": list(config.namespaces)} if config.namespaces else {"clusterwide": True}
    tasks = await kopf.spawn_tasks(registry=handlers, standalone=True, **where)
    started()
    await kopf.run_tasks(tasks, ignored=mine)
