"""Engines and services as the operator sees them, played from one JSON file that outlives the operator's process."""

import fcntl
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hcs_operator.api.database import Channel, CloneState, Facts, GroupState, Heartbeat, Instance, MemberGroup, Role
from hcs_operator.api.observed import CacheCounters, Inflight, QueueFigures, Reason, Selftest
from hcs_operator.decide.database.steps import Clone, Export, Follow, Found, Quiesce, Resume, SqlStep
from hcs_operator.mysql.errors import NotExported

EXECUTED = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa:1-100"


class World:
    """The state of everything behind the ports, and their clock. Tests write to it while the operator reads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.exists():
            path.write_text("{}")

    def read(self) -> dict[str, Any]:
        with self.change() as state:
            return dict(state)

    def now(self) -> float:
        """Unix seconds; a test that waits for nothing but a time to be over lets it pass by `ahead`."""
        return time.time() + float(self.read().get("ahead", 0.0))

    @contextmanager
    def change(self) -> Iterator[dict[str, Any]]:
        with self.path.open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            state = json.load(file)
            yield state
            file.seek(0)
            file.truncate()
            json.dump(state, file)


class PlayedDatabase:
    """A group of one whose agent bootstraps as soon as its row is there; readers that clone and follow at once."""

    def __init__(self, world: World) -> None:
        self.world = world

    async def examine(self, instance: Instance) -> Facts:
        now = self.world.now()
        with self.world.change() as state:
            known = state.setdefault("instances", {}).setdefault(f"{instance.host}", {})
            return _member(known, now) if instance.role is Role.MEMBER else _reader(known, now)

    async def perform(self, step: SqlStep) -> None:
        with self.world.change() as state:
            instances = state.setdefault("instances", {})
            match step:
                case Found():
                    group = {"group_name": step.claim.group_name, "epoch": step.claim.epoch}
                    instances.setdefault(step.seed.host, {}).update(group)
                case Clone():
                    instances.setdefault(step.recipient.host, {})["cloned"] = True
                case Follow():
                    instances.setdefault(step.reader.host, {})["managed"] = step.group_name
                case Quiesce():
                    instances.setdefault(step.reader.host, {})["stopped"] = True
                case Resume():
                    instances.setdefault(step.reader.host, {})["stopped"] = False

    async def export(self, step: Export) -> bytes:
        raise NotExported(f"{step.instance.name} has nothing of its own here")


def _member(known: dict[str, Any], now: float) -> Facts:
    group = known.get("group_name")
    return Facts(
        server_uuid="a",
        version="9.7.4",
        super_read_only=group is None,
        gtid_executed=EXECUTED if group else "",
        gtid_purged="",
        member_group=MemberGroup(group, known["epoch"], solo=True) if group else None,
        group=GroupState("ONLINE", "PRIMARY", 1, 1) if group else GroupState("OFFLINE", "", 0, 0),
        heartbeat=Heartbeat(now, 0.1) if group else None,
    )


def _reader(known: dict[str, Any], now: float) -> Facts:
    cloned, managed = known.get("cloned", False), known.get("managed", "")
    running = not known.get("stopped", False)
    channel = Channel("primary", "ON" if running else "OFF", running, managed, owned=True) if managed else None
    return Facts(
        server_uuid="b",
        version="9.7.4",
        super_read_only=True,
        gtid_executed=EXECUTED if cloned else "",
        gtid_purged="",
        member_group=MemberGroup(managed, 1, solo=False) if cloned else None,
        group=GroupState("OFFLINE", "", 0, 0),
        channel=channel,
        heartbeat=Heartbeat(now, 0.1) if cloned and running else None,
        clone=CloneState("Completed", "", 1.0) if cloned else None,
    )


class PlayedQueue:
    """A broker whose counters the test sets; a Reason when it is told to be down."""

    def __init__(self, world: World) -> None:
        self.world = world

    async def figures(self, host: str, password: str) -> QueueFigures | Reason:
        known = self.world.read().get("queue", {})
        if known.get("down"):
            return Reason("QueueUnreachable", "the broker's management API does not answer")
        counters = {name: known.get(name, 0) for name in ("ready", "unacked", "published", "acked", "dead")}
        return QueueFigures(
            **counters, at=self.world.now(), members=known.get("members", 1), online=known.get("members", 1)
        )


class PlayedServices:
    """Services whose selftests pass unless the test says otherwise; workers are idle unless they are named busy.

    So many hits and misses a second are read as `reads` has it, from its `since` on and up to its `until`.
    """

    def __init__(self, world: World) -> None:
        self.world = world

    async def selftest(self, pod: str, ip: str) -> Selftest:
        failing = self.world.read().get("failing", {})
        reason = next((said for part, said in failing.items() if f"-{part}-" in pod), None)
        data = {"cache_keys": 1000.0, "cache_uptime_seconds": 10_000.0, "cache_used_bytes": 1.0}
        return Selftest(pod, reason is None, Reason("Failing" if reason else "Ok", reason or "it works"), data)

    async def inflight(self, pod: str, ip: str) -> Inflight | None:
        return Inflight(pod, int(pod in self.world.read().get("busy", [])), 0.0, draining=False)

    async def drain(self, ip: str, token: str, ttl_seconds: int) -> bool:
        return True

    async def cache_counters(self, pod: str, ip: str) -> CacheCounters | None:
        now, reads = self.world.now(), self.world.read().get("reads", {})
        seconds = max(0.0, min(now, reads.get("until", now)) - reads.get("since", now))
        return CacheCounters(pod, round(seconds * reads.get("hits", 0)), round(seconds * reads.get("misses", 0)), now)
