"""A group of three on real MySQL: grown from one, shrunk again, and what it takes without losing an acknowledged write;
how its members join again once the replication password was rotated, and what a member's row lets it do.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace

import pymysql
import pytest
from tests.engine.containers import until
from tests.engine.database.group import (
    PATIENCE,
    all_online,
    facts_of,
    grown_to_three,
    leader,
    members,
    of_three,
    rows,
    same_everywhere,
    view,
    wants,
)
from tests.engine.database.trial import Pod, Trial

from hcs_operator.agent.accounts import REPLICATION, discard
from hcs_operator.agent.seen import EXPELS_AT_ONCE, EXPELS_LATER
from hcs_operator.build.mysql_config import LEAVE
from hcs_operator.decide.database.errant import held
from hcs_operator.decide.database.outcome import DatabasePlan
from hcs_operator.decide.database.steps import HandOver
from hcs_operator.mysql import facts
from hcs_operator.mysql.errors import DatabaseError
from hcs_operator.mysql.session import opened, over_socket, over_tls

pytestmark = pytest.mark.engine

ROW = "SELECT solo_uuid IS NULL AS open FROM hcs_meta.member_group"
STORED = (
    "SELECT User_password AS password FROM mysql.slave_master_info WHERE Channel_name = 'group_replication_recovery'"
)


@pytest.fixture(scope="module")
def trio(new_trial: Callable[[], Trial]) -> Trial:
    """Three members: a group of one that was grown with rows in it."""
    return grown_to_three(new_trial())


@contextmanager
def writing(trial: Trial, start: int) -> Iterator[list[int]]:
    """Somebody writes rows one by one at whoever leads; the list holds those that were acknowledged."""
    acknowledged: list[int] = []
    done = threading.Event()

    def write() -> None:
        number = start
        while not done.is_set():
            with suppress(DatabaseError, AssertionError), over_tls(trial.instance(leader(trial), "hcs_app")) as session:
                while not done.is_set():
                    number += 1
                    session.run("INSERT INTO hcs.kept VALUES (%s)", number)
                    acknowledged.append(number)
                    done.wait(0.01)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield acknowledged
    finally:
        done.set()
        thread.join()


def check(trial: Trial, acknowledged: list[int]) -> None:
    until("all members have the same rows", lambda: same_everywhere(trial), 30)
    lost = set(acknowledged) - rows(members(trial)[0])
    assert acknowledged
    assert not lost


def test_all_are_recorded_and_nobody_may_bootstrap_alone(trio: Trial) -> None:
    names = [pod.name for pod in members(trio)]
    assert trio.status["claim"]["members"] == names
    assert [pod.server.ask(ROW) for pod in members(trio)] == [[{"open": 1}]] * 3
    assert trio.status["safeToLosePrimary"] is False  # all on one node here
    assert trio.status["safeToLosePrimaryReason"] == "SingleNode"


def test_a_stopping_primary_hands_over_first(trio: Trial) -> None:
    pod = leader(trio)
    with writing(trio, 1_000_000) as acknowledged:
        until("rows are written", lambda: len(acknowledged) > 20, 10)
        assert pod.container.run("sh", "-c", LEAVE).code == 0
        until("another one leads", lambda: leader(trio) is not pod, 10)
        seen = len(acknowledged)
        until("rows are written there", lambda: len(acknowledged) > seen + 20, 20)
    (pod.server.socket.parent / "stopping").unlink()
    until("it joins again by itself", lambda: all_online(trio), 60)
    check(trio, acknowledged)


def test_a_killed_primary_is_followed_by_another_and_joins_again_without_an_operator(trio: Trial) -> None:
    pod = leader(trio)
    with writing(trio, 2_000_000) as acknowledged:
        until("rows are written", lambda: len(acknowledged) > 20, 10)
        pod.container.kill()
        until("another one leads", lambda: leader(trio) is not pod, 30)
        seen = len(acknowledged)
        until("rows are written there", lambda: len(acknowledged) > seen + 20, 30)
        trio.revive()
        until("it joins again by itself", lambda: all_online(trio), 90)
    check(trio, acknowledged)


def test_a_primary_that_lost_the_others_would_expel_nobody_at_once_until_it_is_online_again(trio: Trial) -> None:
    """The engine tries by itself to join again, without its agent."""
    first = leader(trio)
    others = [pod for pod in members(trio) if pod is not first]
    for pod in others:
        pod.container.pause()
    try:
        until("it is in ERROR", lambda: view(first).get(first.name[-1], "").startswith("ERROR"), 20)
        until("it would expel nobody at once", lambda: expels_after(first) == EXPELS_LATER, 10)
    finally:
        for pod in others:
            pod.container.unpause()
    trio.converge("three again", of_three(trio), 150)
    until("everybody expels at once", lambda: {expels_after(it) for it in members(trio)} == {EXPELS_AT_ONCE}, 10)


def expels_after(pod: Pod) -> int:
    """Seconds for which it lets another be silent beyond the engine's own 5."""
    return int(pod.server.ask("SELECT @@group_replication_member_expel_timeout AS seconds")[0]["seconds"])


def hand_over(trial: Trial, first: Pod, other: Pod) -> None:
    """The operator has the primary hand over."""
    uuid = other.server.ask("SELECT @@server_uuid AS uuid")[0]["uuid"]
    asyncio.run(trial.port.perform(HandOver(trial.instance(first), trial.instance(other), uuid)))
    until("the other leads", lambda: leader(trial) is other, 10)


@contextmanager
def held_back(pods: list[Pod]) -> Iterator[None]:
    """They apply nothing of what they receive while the block runs; their servers may end meanwhile."""
    with ExitStack() as sessions:
        for pod in pods:
            sessions.enter_context(pod.server.root()).execute("FLUSH TABLES WITH READ LOCK")
        closing = sessions.pop_all()
    try:
        yield
    finally:
        with suppress(pymysql.Error):
            closing.close()


def test_all_killed_at_once_before_a_secondary_has_applied_what_it_received_come_back_from_it(
    trio: Trial,
) -> None:
    seed = trio.pods[trio.status["claim"]["seed"]]
    if leader(trio) is seed:
        hand_over(trio, seed, next(pod for pod in members(trio) if pod is not seed))
    first = leader(trio)
    others = [pod for pod in members(trio) if pod is not first]
    with held_back(others):
        with writing(trio, 3_000_000) as acknowledged:
            until("rows are acknowledged", lambda: len(acknowledged) > 20, 20)
        wanted = held(facts_of(trio, first))
        until("both have received them", lambda: all(wanted <= held(facts_of(trio, pod)) for pod in others), 20)
        assert not any(rows(pod) & set(acknowledged) for pod in others), "they were applied"
        for pod in [first, *others]:
            pod.container.kill("KILL")
    trio.converge("the group is back", of_three(trio), 150)
    claim = trio.status["claim"]
    assert (claim["epoch"], claim["seed"]) == (2, seed.name), "it was not taken up from the secondary"
    check(trio, acknowledged)


def test_the_secondaries_alone_have_all_that_was_acknowledged_and_wait_for_the_third(trio: Trial) -> None:
    first = leader(trio)
    with writing(trio, 4_000_000) as acknowledged:
        until("rows are acknowledged", lambda: len(acknowledged) > 20, 20)
        for pod in members(trio):
            pod.container.kill()
    trio.revive(*(pod for pod in members(trio) if pod is not first))
    planned = trio.turn()
    assert planned.steps == ()
    assert planned.waiting
    trio.converge("with the third the group is back", of_three(trio), 150)
    check(trio, acknowledged)


def test_a_lost_volume_is_copied_anew(trio: Trial) -> None:
    pod = next(pod for pod in members(trio) if pod is not leader(trio))
    trio.lose_volume(pod)
    trio.converge("three again", of_three(trio), 120)
    until("all members have the same rows", lambda: same_everywhere(trio), 30)


def test_it_shrinks_to_one_and_grows_again_over_the_kept_volumes(trio: Trial) -> None:
    wants(trio, 1)
    with writing(trio, 5_000_000) as acknowledged:
        gone = shrunk(trio)
        wants(trio, 3)
        for ordinal in sorted(gone):
            trio.start(ordinal)
        trio.converge("three again", of_three(trio), 120)
    check(trio, acknowledged)


def shrunk(trial: Trial) -> list[int]:
    """Let the group shrink to its first member, playing the StatefulSet: the ordinals that went."""
    gone: list[int] = []

    def good(planned: DatabasePlan) -> bool:
        kept = set(trial.status["claim"]["members"])
        for pod in members(trial):
            if pod.name not in kept:
                trial.delete(pod)
                gone.append(int(pod.name[-1]))
        alone = len(trial.pods) == 1 and planned.primary_ready and not planned.steps and planned.journal is None
        return alone and members(trial)[0].server.ask(ROW) == [{"open": 0}]

    trial.converge("the group counts one", good, 90)
    return gone


def test_a_hand_over_is_a_step_of_the_operator_too(trio: Trial) -> None:
    first = leader(trio)
    other = next(pod for pod in members(trio) if pod is not first)
    hand_over(trio, first, other)
    assert all_online(trio)


def test_a_request_hands_over_once_and_a_later_failover_stands(trio: Trial) -> None:
    first = leader(trio)
    other = next(pod for pod in members(trio) if pod is not first)
    changes: list[tuple[str, str]] = []

    def done(planned: DatabasePlan) -> bool:
        changes.extend([(planned.change.old, planned.change.new)] if planned.change else [])
        record = planned.status.get("promotion")
        return record is not None and bool(record["state"] == "Done")

    trio.converge("who leads is known", lambda planned: planned.status.get("currentPrimary") == first.name)
    trio.wishes = replace(trio.wishes, promote=other.name)
    with writing(trio, 6_000_000) as acknowledged:
        until("rows are written", lambda: len(acknowledged) > 20, 10)
        trio.converge("the one that was asked for leads", done, 30)
        assert changes == [(first.name, other.name)]
        seen = len(acknowledged)
        until("rows are written there", lambda: len(acknowledged) > seen + 20, 20)
        other.container.kill()
        until("another one leads", lambda: leader(trio) is not other, 30)
        trio.revive()
        until("it joins again by itself", lambda: all_online(trio), 90)
        follower = leader(trio)
        made = trio.converge("all is at rest", of_three(trio), 30)
    assert made.status["promotion"]["state"] == "Done"
    assert leader(trio) is follower is not other
    trio.wishes = replace(trio.wishes, promote="")
    check(trio, acknowledged)


def changing(pod: Pod) -> bool:
    with over_socket(str(pod.server.socket)) as session:
        return facts.group(session).changing


def test_each_member_joins_the_others_with_the_rotated_password(trio: Trial) -> None:
    new = "changed-" + os.urandom(8).hex()
    trio.set_password("repl-password", new)
    until(
        "each member has the new password",
        lambda: all(pod.server.ask(STORED) == [{"password": new}] for pod in members(trio)),
        30,
    )


def test_a_member_that_falls_out_later_joins_again_without_a_restart_and_its_start_is_seen(trio: Trial) -> None:
    fallen = next(pod for pod in members(trio) if pod is not leader(trio))
    for sql, _ in discard(frozenset({REPLICATION})):
        leader(trio).server.run(sql)
    seen: set[bool] = set()
    fallen.server.run("STOP GROUP_REPLICATION")

    def joined() -> bool:
        seen.add(changing(fallen))
        return all_online(trio)

    until("it joins again by itself", joined, 60)
    assert True in seen
    until("its START has returned", lambda: not changing(fallen), 30)


def test_a_row_lets_only_the_very_server_that_was_alone_bootstrap_and_no_copy_of_its_data(trio: Trial) -> None:
    pod = next(pod for pod in members(trio) if pod is not leader(trio))
    found = []
    with over_socket(str(pod.server.socket), statement_seconds=PATIENCE) as session, opened(session):
        session.run("SET SESSION sql_log_bin = 0")
        for uuid in ("@@server_uuid", "UUID()", "NULL"):
            session.run(f"UPDATE hcs_meta.member_group SET solo_uuid = {uuid} WHERE id = 1")
            found.append(facts.member_group(session))
    assert [(row.solo, row.open) for row in found if row] == [(True, False), (False, False), (False, True)]
