"""Reads everything anew: before the first look, twice soon after the watches began, and every ten minutes from then on.

A watch that broke does not tell of what was deleted meanwhile, and kopf has no periodic resync; a list does and is
one. Stacks are then looked at spread over a minute, so that a thousand of them are no burst.
"""

import asyncio
import random
from collections.abc import Sequence

import structlog

from hcs_operator.kube.errors import KubeError, Refused
from hcs_operator.kube.port import Kube
from hcs_operator.kube.resources import SCALER_KIND, STACK_KIND, WATCHED_KINDS
from hcs_operator.observe.store import STACK_LABEL, Key, WatchStore
from hcs_operator.runtime.queue import KeyedQueue

EARLY = (5.0, 30.0)
"""Seconds until the first two rounds: the watches begin with lists of their own after ours, and nobody tells of what
was deleted between the two."""
EVERY = 600.0
JITTER = 60.0
AGAIN = 2.0
"""Seconds until a first read that failed is repeated."""

log = structlog.get_logger(__name__)


async def read_all(kube: Kube, store: WatchStore, namespaces: Sequence[str]) -> None:
    """Make the store equal to what the API server has. Of several namespaces, one that refuses is left out."""
    for namespace in namespaces or ("",):
        try:
            await _read(kube, store, namespace)
        except Refused as failure:
            if len(namespaces) <= 1:
                raise
            log.warning("namespace_not_served", namespace=namespace, error=str(failure))


async def _read(kube: Kube, store: WatchStore, namespace: str) -> None:
    for kind in (STACK_KIND, SCALER_KIND, *WATCHED_KINDS):
        selector = STACK_LABEL if kind in WATCHED_KINDS else ""
        listing = await kube.list(kind, namespace, selector)
        store.reset(kind, namespace, listing.items, listing.resource_version)


async def first_read(kube: Kube, store: WatchStore, namespaces: Sequence[str]) -> None:
    """Fill the store before the first look: without its objects a healthy stack would look like an empty one."""
    while True:
        try:
            return await read_all(kube, store, namespaces)
        except KubeError as failure:
            log.warning("first_read_failed", error=str(failure))
            await asyncio.sleep(AGAIN)


async def resync(kube: Kube, store: WatchStore, queue: KeyedQueue[Key], namespaces: Sequence[str]) -> None:
    """Repeat for ever; a list that fails is tried again with the next round."""
    for pause in EARLY:
        await asyncio.sleep(pause)
        await _round(kube, store, namespaces)
    while True:
        await asyncio.sleep(EVERY + random.uniform(0, JITTER))  # noqa: S311 - spreads load, protects nothing
        await _round(kube, store, namespaces)
        for key in store.stacks():
            queue.add(key, random.uniform(0, JITTER))  # noqa: S311


async def _round(kube: Kube, store: WatchStore, namespaces: Sequence[str]) -> None:
    try:
        await read_all(kube, store, namespaces)
    except KubeError as failure:
        log.warning("resync_failed", error=str(failure))
