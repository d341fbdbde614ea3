"""A single look's silence is doubted: what answered a look ago is taken to be as it was then, and looked at once more.

One time-out, one failed test or one lost packet is no outage, and each word that turns for it is a write, a warning to
people, and a Service without its endpoint. So a peer's silence counts from the second look on, `SETTLED` after the
first. That a pod is not ready is never doubted: the kubelet has asked it several times by then.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from hcs_operator.api.database import DatabaseView, InstanceView
from hcs_operator.api.observed import CacheState, QueueFigures, Selftest, Snapshot
from hcs_operator.decide.scaling import cache_state

SETTLED = 0.9
"""Seconds after the first silent look from which on another one is believed: those that follow come 1 s later."""
DATABASE, QUEUE, CACHE = "database", "queue", "cache"


@dataclass(frozen=True)
class Answers:
    """What was answered last, and since when (Unix seconds) there has been doubt: by pod, or one of the three above."""

    passed: Mapping[str, Selftest] = field(default_factory=dict)
    """By pod."""
    queue: QueueFigures | None = None
    cache: CacheState | None = None
    database: DatabaseView | None = None
    doubted: Mapping[str, float] = field(default_factory=dict)


class Steadied(NamedTuple):
    """A look in which first silences are filled with the answers before them."""

    snapshot: Snapshot
    database: DatabaseView
    answers: Answers


def steadied(snapshot: Snapshot, database: DatabaseView, before: Answers) -> Steadied:
    """Fill first silences. `before` is what the last look has left behind."""
    doubts = _Doubts(snapshot.now, before.doubted, {})
    tests = {
        component: tuple(_selftest(test, before.passed.get(test.pod), doubts) for test in tests)
        for component, tests in snapshot.selftests.items()
    }
    queue = snapshot.queue
    if before.queue is not None and queue is not None and not isinstance(queue, QueueFigures) and doubts.of(QUEUE):
        queue = before.queue
    snapshot = replace(snapshot, selftests=tests, queue=queue)
    cache = cache_state(snapshot)
    if before.cache is not None and cache is not None and not isinstance(cache, CacheState) and doubts.of(CACHE):
        cache = before.cache
    if before.database is not None and _fell_silent(database, before.database) and doubts.of(DATABASE):
        database = replace(database, instances=tuple(_as_before(database, before.database)))
    answers = Answers(
        passed={test.pod: test for entries in tests.values() for test in entries if test.ok},
        queue=queue if isinstance(queue, QueueFigures) else None,
        cache=cache if isinstance(cache, CacheState) else None,
        database=database,
        doubted=doubts.now_doubted,
    )
    return Steadied(replace(snapshot, cache=cache), database, answers)


class _Doubts(NamedTuple):
    now: float
    since: Mapping[str, float]
    now_doubted: dict[str, float]

    def of(self, what: str) -> bool:
        """Say whether this silence is still too young to be believed."""
        first = self.since.get(what, self.now)
        if self.now - first >= SETTLED:
            return False
        self.now_doubted[what] = first
        return True


def _selftest(test: Selftest, passed: Selftest | None, doubts: _Doubts) -> Selftest:
    return passed if not test.ok and passed is not None and doubts.of(test.pod) else test


def _fell_silent(seen: DatabaseView, before: DatabaseView) -> bool:
    """Say whether a ready instance has stopped answering and nothing else about the instances explains it.

    A member that has begun to lead does: the other one's last word is out of date then.
    """
    if _pods(seen) != _pods(before) or _leading(seen) - _leading(before):
        return False
    pairs = zip(seen.instances, before.instances, strict=True)
    return any(now.facts is None and now.pod.ready and old.facts is not None for now, old in pairs)


def _as_before(seen: DatabaseView, before: DatabaseView) -> Iterable[InstanceView]:
    """Return all instances as they were: their transactions only compare with each other's of the same look."""
    for now, old in zip(seen.instances, before.instances, strict=True):
        yield replace(old, pod=now.pod)


def _pods(view: DatabaseView) -> list[str]:
    return [it.pod.uid for it in view.instances]


def _leading(view: DatabaseView) -> set[str]:
    return {it.instance.name for it in view.instances if it.facts is not None and it.facts.group.leads}
