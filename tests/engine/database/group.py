"""A group of three in a trial: how it is made, and what its members say."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from tests.engine.database.trial import Pod, Trial

from hcs_operator.api.database import Facts
from hcs_operator.decide.database.outcome import DatabasePlan
from hcs_operator.mysql.session import over_tls

PATIENCE = 20.0
"""Seconds for one statement, on a machine that other tests keep busy."""

VIEW = """
SELECT MEMBER_HOST AS host, MEMBER_ROLE AS role, MEMBER_STATE AS state FROM performance_schema.replication_group_members
"""


def view(pod: Pod) -> dict[str, str]:
    """The group as one member sees it: ordinal → state and role."""
    return {row["host"].split(".")[0][-1]: f"{row['state']} {row['role']}".strip() for row in pod.server.ask(VIEW)}


def members(trial: Trial) -> list[Pod]:
    return list(trial.pods.values())


def leader(trial: Trial) -> Pod:
    """The pod that leads by its own word."""
    for pod in members(trial):
        with suppress(Exception):
            if view(pod).get(pod.name[-1]) == "ONLINE PRIMARY":
                return pod
    raise AssertionError("nobody leads")


def all_online(trial: Trial, count: int = 3) -> bool:
    states = [view(pod) for pod in members(trial)]
    return all(len(it) == count and set(it.values()) <= {"ONLINE PRIMARY", "ONLINE SECONDARY"} for it in states)


def facts_of(trial: Trial, pod: Pod) -> Facts:
    """What the operator finds at a pod."""
    return asyncio.run(trial.port.examine(trial.instance(pod)))


def wants(trial: Trial, count: int) -> None:
    trial.wishes = replace(trial.wishes, members=count)


def of_three(trial: Trial) -> Callable[[DatabasePlan], bool]:
    def good(planned: DatabasePlan) -> bool:
        return planned.primary_ready and not planned.steps and planned.journal is None and all_online(trial)

    return good


def rows(pod: Pod) -> set[int]:
    return {row["id"] for row in pod.server.ask("SELECT id FROM hcs.kept")}


def same_everywhere(trial: Trial) -> bool:
    """Rows and checksums, not transaction sets: those can be equal over different rows."""
    sums = {str(pod.server.ask("CHECKSUM TABLE hcs.kept")) for pod in members(trial)}
    return len(sums) == 1


def grown_to_three(trial: Trial) -> Trial:
    """A group of one with a table of rows, `hcs.kept`, that was grown to three."""
    trial.start(0)
    trial.converge("the group of one is ready", lambda planned: planned.primary_ready)
    with over_tls(trial.instance(members(trial)[0], "hcs_migrate"), statement_seconds=PATIENCE) as session:
        session.run("CREATE DATABASE hcs")
        session.run("CREATE TABLE hcs.kept (id INT PRIMARY KEY)")
    wants(trial, 3)
    trial.start(1)
    trial.start(2)
    trial.converge("the group counts three", of_three(trial), 120)
    return trial
