"""How many connections to MySQL a pod of each tier may hold, so that all pods together keep within an account's limit.

The limit (MAX_USER_CONNECTIONS) counts by server and account: `hcs_app` and `hcs_read` on the primary, `hcs_read` on
each reader. What counts is the largest number of pods that the spec allows, not how many there are, and sizes lie far
apart: a pod is rolled when the size of its pool changes. Beyond the limit a pod waits for a connection to come free.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from hcs_operator.api.connections import MAX_CONNECTIONS, service_connections
from hcs_operator.api.names import ASYNC_API, READ_API, WORKER, WRITE_API
from hcs_operator.api.spec import Stack

PRIMARY_POOL, READER_POOL = "DATABASE_POOL_SIZE", "READER_POOL_SIZE"
_SIZES = (24, 16, 12, 8, 6, 4, 3, 2, 1)
_OUTSIDE = 1
"""A pod's one connection outside its pool: the look for the primary, the poll of a reader."""
_READS_AT_PRIMARY = 12
"""8 reads at once, the sampler, the self-test, the poll of the heartbeat, and one to spare."""
_SURGE = 1
"""Pods above the count while a Deployment is rolled."""


class Holder(NamedTuple):
    """A tier's pods at one server: how many there may be, and the sizes between which their pools make sense."""

    tier: str
    pods: int
    most: int
    least: int


def pool_sizes(stack: Stack, component: str) -> dict[str, str]:
    """Return the variables that say how large the pools of a tier's pod are; none for a tier without any."""
    limit = service_connections(_max_connections(stack))
    of_read_api = Holder(READ_API, _pods(stack.spec.read_api.replicas), most=_READS_AT_PRIMARY, least=2)
    sizes = {
        PRIMARY_POOL: shared(_writing(stack), limit) | shared([of_read_api], limit),
        READER_POOL: shared(_reading(stack), limit),
    }
    return {name: str(by_tier[component]) for name, by_tier in sizes.items() if component in by_tier}


def shared(holders: Sequence[Holder], limit: int) -> dict[str, int]:
    """Return pool sizes by tier whose connections add up to at most `limit`, if the least ones do.

    The tiers give in the order in which they are named, each down to its least before the next one gives.
    """
    sizes = {holder.tier: holder.most for holder in holders}
    for holder in holders:
        for size in _smaller(holder):
            if _connections(holders, sizes) <= limit:
                return sizes
            sizes[holder.tier] = size
    return sizes


def _connections(holders: Sequence[Holder], sizes: Mapping[str, int]) -> int:
    return sum(holder.pods * (sizes[holder.tier] + _OUTSIDE) for holder in holders)


def _smaller(holder: Holder) -> list[int]:
    between = [size for size in _SIZES if holder.least < size < holder.most]
    return [*between, holder.least] if holder.least < holder.most else []


def _writing(stack: Stack) -> list[Holder]:
    spec = stack.spec
    return [
        # a task can wait for a connection, a client less so: workers give first
        Holder(WORKER, _workers(stack), most=_worker_pool(stack), least=1),
        Holder(ASYNC_API, _pods(spec.async_api.replicas), most=8, least=2),
        # beside requests: the relay's lease, its two loops, and the sweep
        Holder(WRITE_API, _pods(spec.write_api.replicas), most=16, least=6),
    ]


def _reading(stack: Stack) -> list[Holder]:
    spec = stack.spec
    return [
        Holder(WORKER, _workers(stack), most=min(8, spec.workers.concurrency), least=1),
        Holder(ASYNC_API, _pods(spec.async_api.replicas), most=4, least=1),
        Holder(READ_API, _pods(spec.read_api.replicas), most=8, least=1),
    ]


def _worker_pool(stack: Stack) -> int:
    """A connection for each task at work, one for the self-test and one for the heartbeat; at most 32 keep it busy."""
    return min(32, stack.spec.workers.concurrency + 2)


def _workers(stack: Stack) -> int:
    """Whichever mode the autoscaler is in: switching it rolls nobody."""
    return _pods(max(stack.spec.workers.replicas, stack.spec.autoscaling.workers.max_replicas))


def _pods(replicas: int) -> int:
    return replicas + _SURGE


def _max_connections(stack: Stack) -> int:
    """What my.cnf will say. A value that is no plain number (`1K`) counts as the default, which is the smaller one."""
    own = stack.spec.database.config.get("max_connections", "")
    return int(own) if own.isascii() and own.isdigit() else MAX_CONNECTIONS
