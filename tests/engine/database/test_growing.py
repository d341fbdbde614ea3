"""What the agent does for a group of more than one: joining again by itself, and handing over before its pod stops."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pymysql
import pytest
from tests.engine.containers import until
from tests.engine.database.trial import Pod, Trial

pytestmark = pytest.mark.engine

VIEW = "SELECT MEMBER_HOST AS host, MEMBER_ROLE AS role, MEMBER_STATE AS state FROM performance_schema.replication_group_members"


def view(pod: Pod) -> dict[str, str]:
    return {row["host"]: f"{row['state']} {row['role']}".strip() for row in pod.server.ask(VIEW)}


@pytest.fixture(scope="module")
def pair(new_trial: Callable[[], Trial]) -> tuple[Trial, Pod, Pod]:
    """Two members: the second a clone of the first, joined by its own agent. (The operator will do the cloning.)"""
    trial = new_trial()
    first = trial.start(0)
    trial.converge("the group of one is ready", lambda planned: planned.primary_ready)
    first.server.run("UPDATE hcs_meta.member_group SET solo = FALSE")
    second = trial.start(1)
    until("the accounts are set", lambda: "no group was founded here" in trial.agent_log(second), 60)
    second.server.run(
        f"SET GLOBAL clone_valid_donor_list = '{first.server.host}:3306'", "SET GLOBAL super_read_only = OFF"
    )
    password = trial.password("repl-password")
    with suppress(pymysql.MySQLError):  # it ends by stopping the server
        second.server.run(
            f"CLONE INSTANCE FROM hcs_repl@'{first.server.host}':3306 IDENTIFIED BY '{password}' REQUIRE SSL"
        )
    until("the copy is complete", lambda: not second.container.state["Running"], 30)
    second.revive()
    until("both are online", lambda: list(view(first).values()).count("ONLINE SECONDARY") == 1, 90)
    return trial, first, second


def test_a_copy_joins_its_group_by_itself(pair: tuple[Trial, Pod, Pod]) -> None:
    _, first, second = pair
    expected = {first.server.host: "ONLINE PRIMARY", second.server.host: "ONLINE SECONDARY"}
    assert view(first) == expected


def test_a_killed_member_of_many_joins_again_without_an_operator(pair: tuple[Trial, Pod, Pod]) -> None:
    _, first, second = pair
    second.container.stop()
    until("the group counts one", lambda: len(view(first)) == 1, 30)
    second.revive()
    until("the group counts two again", lambda: view(first).get(second.server.host) == "ONLINE SECONDARY", 90)


def test_a_primary_hands_over_before_its_pod_stops(pair: tuple[Trial, Pod, Pod]) -> None:
    trial, first, second = pair
    trial.run_agent(first, "prestop")
    until("the other leads", lambda: view(second) == {second.server.host: "ONLINE PRIMARY"}, 30)


def test_one_of_many_never_bootstraps_when_nobody_else_is_there(pair: tuple[Trial, Pod, Pod]) -> None:
    _, first, second = pair
    second.container.kill()
    first.container.kill()
    first.revive()
    first.server.until_answers()
    says = "no majority of the group is visible"
    until("its agent waits", lambda: says in pair[0].agent_log(first), 30)
    assert list(view(first).values()) in ([], ["OFFLINE"])
