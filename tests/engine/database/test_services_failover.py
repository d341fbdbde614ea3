"""The services' side of a failover: their own pools over a group of three whose primary is lost in four ways."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from tests.engine.containers import Engines, until
from tests.engine.database.group import PATIENCE
from tests.engine.database.served import TABLES, Ledger, Service
from tests.engine.database.trial import Pod, Trial
from tests.engine.partition import between

from hcs_operator.mysql.session import over_tls
from hcs_services import request_context
from hcs_services.database.connection import Connection
from hcs_services.database.errors import TransactionTooLarge
from hcs_services.database.settle import run_keyed

pytestmark = pytest.mark.engine

VIEW = """
SELECT MEMBER_HOST AS host, MEMBER_ROLE AS role, MEMBER_STATE AS state FROM performance_schema.replication_group_members
"""
LEFT_WITHIN = 3.0  # seconds after the first failed look (40-database.md)
BACK_WITHIN = 10.0
IN_ERROR_WITHIN = 12.0  # a cut-off primary, by its own word


def members(trial: Trial) -> list[Pod]:
    return list(trial.pods.values())


def states(pod: Pod) -> dict[str, str]:
    """The group as one member sees it: pod → state and role."""
    return {row["host"].split(".")[0]: f"{row['state']} {row['role']}".strip() for row in pod.server.ask(VIEW)}


def leads(pod: Pod) -> bool:
    """Whether it leads by its own word."""
    return states(pod).get(pod.name) == "ONLINE PRIMARY"


def leader(trial: Trial) -> Pod:
    for pod in members(trial):
        with suppress(Exception):
            if leads(pod):
                return pod
    raise AssertionError("nobody leads")


def all_online(trial: Trial) -> bool:
    seen = [states(pod) for pod in members(trial)]
    return all(len(it) == 3 and set(it.values()) <= {"ONLINE PRIMARY", "ONLINE SECONDARY"} for it in seen)


def whole(trial: Trial) -> None:
    trial.converge(
        "the group counts three",
        lambda it: it.primary_ready and not it.steps and it.journal is None and all_online(trial),
        120,
    )


def grown(ledger: Ledger, more: int = 40) -> None:
    """Wait until so many more writes are acknowledged."""
    wanted = len(ledger.acknowledged) + more
    until(f"{more} writes are acknowledged", lambda: len(ledger.acknowledged) >= wanted, 3 * BACK_WITHIN)


async def found_by_newcomers(service: Service, going_on: Callable[[], bool]) -> list[str | None]:
    """Whom processes that begin now take for the primary, as long as the condition holds."""
    found: list[str | None] = []
    while going_on():
        newcomers = [service.pool("hcs_read") for _ in range(4)]
        found += await asyncio.gather(*(it.refresh() for it in newcomers))
        for it in newcomers:
            await it.close()
    return found


def moved(ledger: Ledger, old: str) -> None:
    """Wait until every pool has another primary."""
    pools = ledger.pools.values()
    until("all pools have another primary", lambda: all(it.primary not in {None, old} for it in pools), 3 * BACK_WITHIN)


def check(trial: Trial, ledger: Ledger, old: str, since: float, fault: str) -> None:
    """Nothing lost or doubled, the old primary left in time by every pool; prints the fault's figures."""
    rows = Counter(row["id"] for row in leader(trial).server.ask("SELECT id FROM hcs.effects"))
    ended = {
        outcome: {it.id for it in ledger.writes if it.outcome == outcome}
        for outcome in ("acknowledged", "unknown", "refused")
    }
    lost = ended["acknowledged"] - rows.keys()
    doubled = {it.id for it in ledger.writes if rows[it.id] > 1}
    figures = {outcome: len(ids) for outcome, ids in ended.items()} | {"lost": len(lost), "doubled": len(doubled)}
    stale = [round(at - since, 2) for at in ledger.stale_reads]
    last, next_ = ledger.gap(since)
    print(
        f"\n{fault}: gap {next_ - last:.2f} s from {last - since:+.2f} s on; {figures}; {len(stale)} stale reads {stale[:1]}..{stale[-1:]}"
    )
    for name, pool in ledger.pools.items():
        looked, left, found = pool.first_failed_look(old, since), pool.left(old, since), pool.found(old, since)
        print(
            f"  {name}: look failed at {looked - since:.2f} s, left +{left - looked:.2f} s, found at {found - since:.2f} s"
        )
        assert left - looked < 3 * LEFT_WITHIN
    assert not lost
    assert not doubled
    assert not ended["refused"] & rows.keys()


@pytest.fixture(scope="module")
def growth(new_trial: Callable[[], Trial], tmp_path_factory: pytest.TempPathFactory) -> tuple[Trial, Ledger, float]:
    """Three members, grown from one under a service's eyes; its ledger, and when the growing began."""
    trial = new_trial()
    trial.start(0)
    trial.converge("the group of one is ready", lambda planned: planned.primary_ready)
    with over_tls(trial.instance(members(trial)[0], "hcs_migrate"), statement_seconds=PATIENCE) as session:
        for statement in ("CREATE DATABASE hcs", *TABLES):
            session.run(statement)
    trial.wishes = replace(trial.wishes, members=3)
    with Service(trial, tmp_path_factory.mktemp("growth")).running() as ledger:
        grown(ledger)
        began = time.monotonic()
        trial.start(1)
        trial.start(2)
        whole(trial)
        grown(ledger)
    return trial, ledger, began


@pytest.fixture(scope="module")
def trio(growth: tuple[Trial, Ledger, float]) -> Trial:
    """Three members."""
    return growth[0]


def test_a_group_that_grows_keeps_its_primary(growth: tuple[Trial, Ledger, float]) -> None:
    _, ledger, began = growth
    last, next_ = ledger.gap(began)
    print(f"\ngrowing from one to three: gap {next_ - last:.2f} s")
    assert [len(pool.moves) for pool in ledger.pools.values()] == [1, 1, 1]
    assert len(ledger.acknowledged) == len(ledger.writes)


def test_a_killed_primary(trio: Trial, tmp_path: Path) -> None:
    service, pod = Service(trio, tmp_path), leader(trio)
    old = pod.container.address
    with service.running() as ledger:
        grown(ledger)
        since = time.monotonic()
        pod.container.kill()
        moved(ledger, old)
        grown(ledger)
    whole(trio)
    check(trio, ledger, old, since, "kill -9")


def test_a_frozen_primary_that_thaws(trio: Trial, tmp_path: Path) -> None:
    service, pod = Service(trio, tmp_path), leader(trio)
    old = pod.container.address
    with service.running() as ledger:
        grown(ledger)
        since = time.monotonic()
        pod.container.pause()
        frozen = time.monotonic()
        moved(ledger, old)
        grown(ledger)
        pod.container.unpause()
        thawed = time.monotonic()
        found = asyncio.run(found_by_newcomers(service, lambda: len(states(pod)) == 3 and leads(pod)))
        claimed = time.monotonic() - thawed
        grown(ledger, 100)
    whole(trio)
    check(trio, ledger, old, since, "SIGSTOP")
    assert not [it for it in ledger.acknowledged if it.address == old and it.began > frozen]
    print(f"  once thawed it claimed to lead for {claimed:.2f} s; {len(found)} looks found {dict(Counter(found))}")
    assert found
    assert old not in found


def test_a_hand_over(trio: Trial, tmp_path: Path) -> None:
    service, pod = Service(trio, tmp_path), leader(trio)
    old = pod.container.address
    heir = next(it for it in members(trio) if it is not pod).server.ask("SELECT @@server_uuid AS uuid")[0]["uuid"]
    with service.running() as ledger:
        grown(ledger)
        since = time.monotonic()
        pod.server.ask("SELECT group_replication_set_as_primary(%s) AS done", heir)
        moved(ledger, old)
        grown(ledger)
    whole(trio)
    check(trio, ledger, old, since, "hand-over")


def test_a_primary_cut_off_from_the_others_but_not_from_its_clients(
    trio: Trial, tmp_path: Path, engines: Engines
) -> None:
    service, pod = Service(trio, tmp_path), leader(trio)
    old = pod.container.address
    others = [it.container for it in members(trio) if it is not pod]
    with between(engines, pod.container, others) as network, service.running() as ledger:
        grown(ledger)
        since = time.monotonic()
        network.cut()
        cut_off = time.monotonic()
        moved(ledger, old)
        until("it calls itself ERROR", lambda: states(pod)[pod.name].startswith("ERROR"), IN_ERROR_WITHIN)
        in_error = time.monotonic() - cut_off
        grown(ledger, 100)
        network.heal()
        grown(ledger)
    whole(trio)
    check(trio, ledger, old, since, "partition")
    print(f"  it called itself ERROR after {in_error:.2f} s")
    assert in_error < 3 * IN_ERROR_WITHIN
    assert not [it for it in ledger.acknowledged if it.address == old and it.began > cut_off]


SIZE_LIMIT = "SET GLOBAL group_replication_transaction_size_limit = {}"


@pytest.mark.parametrize("column", ["data", "id"], ids=["much data", "many rows"])
def test_a_transaction_that_the_group_finds_too_large_is_refused_at_once(
    trio: Trial, tmp_path: Path, column: str
) -> None:
    service, pod = Service(trio, tmp_path), leader(trio)
    pod.server.run(SIZE_LIMIT.format(200_000))
    began = time.monotonic()
    try:
        with pytest.raises(TransactionTooLarge):
            asyncio.run(write_too_much(service, column))
    finally:
        pod.server.run(SIZE_LIMIT.format(150_000_000))
    print(f"\nrefused after {time.monotonic() - began:.2f} s")
    assert all_online(trio)
    assert pod.server.ask("SELECT id FROM hcs.work_keys WHERE id = 0") == []


async def write_too_much(service: Service, column: str) -> None:
    async def work(tx: Connection, _settling: bool) -> None:
        await tx.execute("INSERT INTO work_keys (id) VALUES (0)")
        if column == "data":
            await tx.execute("INSERT INTO effects (id, data) VALUES (0, REPEAT('x', 1000000))")
        else:
            await tx.execute("INSERT INTO effects (id) VALUES (0)" + ", (0)" * 20_000)

    pool = service.pool("hcs_app")
    request_context.set_deadline(time.monotonic() + 3 * BACK_WITHIN)
    try:
        await run_keyed(pool, work)
    finally:
        await pool.close()
