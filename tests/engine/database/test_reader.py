"""Readers on real MySQL: cloned, following, judged, repaired, drained."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import replace

import pytest
from tests.engine.containers import until
from tests.engine.database.group import PATIENCE
from tests.engine.database.trial import Pod, Trial

from hcs_operator.api.database import Role
from hcs_operator.decide.database.gtid import GtidSet
from hcs_operator.decide.database.outcome import DatabasePlan
from hcs_operator.decide.database.steps import Clone, Close, subject
from hcs_operator.mysql.errors import Refused
from hcs_operator.mysql.session import opened, over_socket, over_tls

pytestmark = pytest.mark.engine

CHANNEL = """
SELECT SOURCE_CONNECTION_AUTO_FAILOVER AS failover, SSL_VERIFY_SERVER_CERTIFICATE AS verified, HOST AS source
  FROM performance_schema.replication_connection_configuration WHERE CHANNEL_NAME = ''
"""


def serving(*names: str) -> Callable[[DatabasePlan], bool]:
    def good(planned: DatabasePlan) -> bool:
        found = {it["name"] for it in planned.status["instances"] if it["readEligible"]}
        return set(names) <= found

    return good


@pytest.fixture(scope="module")
def stack(new_trial: Callable[[], Trial]) -> Trial:
    """A member and a reader that serves."""
    trial = new_trial()
    trial.start(0)
    trial.converge("the group of one is ready", lambda planned: planned.primary_ready)
    write(trial, 0)
    reader = trial.start(0, Role.READER)
    trial.converge("the reader serves", serving(reader.name))
    return trial


def member(trial: Trial) -> Pod:
    return trial.pods[f"{trial.stack}-db-0-0"]


def reader(trial: Trial, ordinal: int = 0) -> Pod:
    return trial.pods[f"{trial.stack}-replica-0-{ordinal}"]


def write(trial: Trial, number: int) -> None:
    with over_tls(trial.instance(member(trial), "hcs_migrate"), statement_seconds=PATIENCE) as session:
        session.run("CREATE DATABASE IF NOT EXISTS hcs")
        session.run("CREATE TABLE IF NOT EXISTS hcs.kept (id INT PRIMARY KEY)")
        session.run("REPLACE INTO hcs.kept VALUES (%s)", number)


def writes(trial: Trial, number: int) -> bool:
    write(trial, number)
    return True


def has(pod: Pod, number: int) -> bool:
    return bool(pod.server.ask("SELECT 1 AS x FROM hcs.kept WHERE id = %s", number))


def state(trial: Trial, name: str) -> str:
    return str(next(it["state"] for it in trial.status["instances"] if it["name"] == name))


def test_a_new_reader_is_a_copy_that_follows_and_serves(stack: Trial) -> None:
    write(stack, 1)
    until("the row is on the reader", lambda: has(reader(stack), 1), 10)
    assert state(stack, reader(stack).name) == "Following"


def test_the_channel_fails_over_by_itself_and_verifies_its_source(stack: Trial) -> None:
    source = member(stack).server.host
    assert reader(stack).server.ask(CHANNEL) == [{"failover": "1", "verified": "YES", "source": source}]


def test_a_reader_takes_no_writes(stack: Trial) -> None:
    with over_tls(stack.instance(reader(stack), "hcs_app")) as session, pytest.raises(Refused, match="read-only"):
        session.run("REPLACE INTO hcs.kept VALUES (1)")


def test_a_reader_that_nobody_works_on_any_more_is_closed_to_writes_again(stack: Trial) -> None:
    pod = reader(stack)
    stack.stop_agent(pod)  # it opens a server that has just started, for its accounts
    with over_socket(str(pod.server.socket), statement_seconds=PATIENCE) as session, opened(session):
        assert not [step for step in stack.plan().steps if isinstance(step, Close)]
    pod.server.run("SET GLOBAL super_read_only = OFF")
    closed = "SELECT @@GLOBAL.super_read_only AS closed"
    stack.converge("it is closed", lambda _: pod.server.ask(closed) == [{"closed": 1}], 30)
    stack.start_agent(pod)


def test_a_reader_holds_nothing_that_the_primary_lacks(stack: Trial) -> None:
    executed = reader(stack).server.ask("SELECT @@GLOBAL.gtid_executed AS gtids")[0]["gtids"]
    subset = member(stack).server.ask("SELECT GTID_SUBSET(%s, @@GLOBAL.gtid_executed) AS subset", executed)
    assert subset == [{"subset": 1}]


def test_at_rest_nothing_is_to_be_done_and_status_does_not_move(stack: Trial) -> None:
    first = stack.converge("at rest", lambda planned: not planned.steps and planned.journal is None)
    second = stack.turn()
    assert second.steps == ()
    assert first.status == second.status


def test_a_reader_that_was_killed_goes_on_following_without_an_operator(stack: Trial) -> None:
    pod = reader(stack)
    pod.container.kill()
    write(stack, 2)
    pod.container.start()
    pod.server.until_answers()
    until("the row is on the reader", lambda: has(pod, 2), 30)


def test_a_reader_finds_the_restarted_primary_without_an_operator(stack: Trial) -> None:
    pod = member(stack)
    pod.container.kill()
    pod.container.start()
    until("the member takes writes again", lambda: writes(stack, 3), 60)
    until("the row is on the reader", lambda: has(reader(stack), 3), 60)


def test_while_no_primary_is_known_a_serving_reader_goes_on_serving(stack: Trial) -> None:
    stack.converge("the reader serves", serving(reader(stack).name))
    member(stack).container.pause()
    try:
        planned = stack.turn()
    finally:
        member(stack).container.unpause()
    assert planned.readers_ready == 1
    assert not planned.primary_ready
    stack.converge("the primary is back", lambda planned: planned.primary_ready)


def test_without_a_primary_a_reader_serves_up_to_the_bound_and_again_with_one(stack: Trial) -> None:
    stack.converge("the reader serves", serving(reader(stack).name))
    wishes = stack.wishes
    stack.wishes = replace(wishes, max_staleness=3.0)
    member(stack).container.pause()
    try:
        first = stack.turn()
        assert first.readers_ready == 1
        last = stack.converge("it serves no more", lambda planned: planned.readers_ready == 0, 30)
        assert stack.status["noPrimarySince"] == first.status["noPrimarySince"]
        assert last.labels[reader(stack).name]["highconcurrency.dev/read"] is None
        assert last.replication
        assert last.replication.message.startswith("No reader serves: there has been no primary since ")
    finally:
        member(stack).container.unpause()
        stack.wishes = wishes
    stack.converge("it serves again", lambda planned: planned.primary_ready and planned.readers_ready == 1)
    assert "noPrimarySince" not in stack.status


def test_a_rotated_replication_password_reaches_the_readers_channel(stack: Trial) -> None:
    new = "changed-" + os.urandom(8).hex()
    stack.set_password("repl-password", new)
    stored = "SELECT User_password AS password FROM mysql.slave_master_info WHERE Channel_name = ''"
    until("the channel has the new password", lambda: reader(stack).server.ask(stored)[0]["password"] == new, 30)
    write(stack, 4)
    until("the row is on the reader", lambda: has(reader(stack), 4), 10)


def test_a_second_reader_is_copied_from_the_first_and_gets_a_channel_of_its_own(stack: Trial) -> None:
    second = stack.start(1, Role.READER)
    stack.converge("both serve", serving(reader(stack).name, second.name))
    donor = second.server.ask("SELECT SOURCE AS donor FROM performance_schema.clone_status")[0]["donor"]
    assert reader(stack).server.host in donor
    owner = second.server.ask("SELECT server_uuid = @@server_uuid AS own FROM hcs_meta.channel_owner")
    assert owner == [{"own": 1}]
    write(stack, 5)
    until("the row is on the second reader", lambda: has(second, 5), 10)


def test_a_leaving_reader_is_drained_while_the_other_serves(stack: Trial) -> None:
    leaving = reader(stack, 1)
    stack.leaving = frozenset({leaving.name})
    planned = stack.converge("it is drained", lambda planned: leaving.name in planned.drained)
    assert planned.labels[leaving.name]["highconcurrency.dev/read"] is None
    assert planned.labels[reader(stack).name]["highconcurrency.dev/read"] == "eligible"
    running = leaving.server.ask("SELECT SERVICE_STATE AS state FROM performance_schema.replication_connection_status")
    assert {row["state"] for row in running} == {"OFF"}


def test_a_reader_that_may_stay_after_all_follows_again(stack: Trial) -> None:
    stack.leaving = frozenset()
    stack.converge("both serve", serving(reader(stack).name, reader(stack, 1).name))


def test_a_reader_whose_binary_logs_are_gone_is_copied_anew(stack: Trial) -> None:
    behind = reader(stack, 1)
    behind.server.run("STOP REPLICA")
    write(stack, 6)
    member(stack).server.run("FLUSH BINARY LOGS", "PURGE BINARY LOGS BEFORE NOW() + INTERVAL 1 HOUR")
    stack.converge("it serves again", lambda planned: serving(behind.name)(planned) and has(behind, 6))
    copied = behind.server.ask("SELECT STATE AS state FROM performance_schema.clone_status")
    assert copied == [{"state": "Completed"}]


def test_quarantine_names_a_reader_with_transactions_of_its_own_and_leaves_it_as_it_is(stack: Trial) -> None:
    stack.wishes = replace(stack.wishes, errant="Quarantine")
    pod = reader(stack, 1)
    with over_socket(str(pod.server.socket), statement_seconds=PATIENCE) as session, opened(session):
        session.run("CREATE DATABASE own")
    planned = stack.converge("it is named", lambda planned: planned.problem)
    assert planned.problem
    assert planned.problem.word == "ReaderDiverged"
    assert pod.name in planned.problem.message
    assert not [step for step in planned.steps if subject(step) == pod.name]
    assert pod.server.ask("SHOW DATABASES LIKE 'own'")


def test_a_clone_from_an_old_look_is_refused_by_a_reader_that_holds_more(stack: Trial) -> None:
    pod = reader(stack, 1)
    own = GtidSet.parse(pod.server.ask("SELECT @@GLOBAL.gtid_executed AS gtids")[0]["gtids"])
    step = Clone(stack.instance(pod), own, stack.instance(member(stack)), stack.instance(pod, "hcs_repl").access)
    with pytest.raises(Refused, match="not overwritten"):
        asyncio.run(stack.port.perform(step))
    assert pod.server.ask("SHOW DATABASES LIKE 'own'")
