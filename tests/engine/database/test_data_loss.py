"""Two of three members lost for good on real MySQL: a person names them, the survivor goes on, and they come back as copies."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import pymysql
import pytest
from tests.engine.containers import until
from tests.engine.database.group import (
    PATIENCE,
    facts_of,
    grown_to_three,
    leader,
    members,
    of_three,
    rows,
    same_everywhere,
    view,
)
from tests.engine.database.trial import Pod, Trial

from hcs_operator.decide.database.errant import held
from hcs_operator.decide.database.gtid import GtidSet
from hcs_operator.decide.database.outcome import DatabasePlan
from hcs_operator.decide.database.steps import ApplyReceived
from hcs_operator.mysql.session import over_tls

pytestmark = pytest.mark.engine
STARTING = "SELECT 1 FROM performance_schema.processlist WHERE INFO LIKE 'START GROUP_REPLICATION%%'"


@pytest.fixture(scope="module")
def lone(new_trial: Callable[[], Trial]) -> tuple[Trial, Pod]:
    """What is left of three: a survivor that calls itself ONLINE, and goes on doing so."""
    trial = grown_to_three(new_trial())
    first = leader(trial)
    survivor = next(pod for pod in members(trial) if pod is not first)
    write(trial, first, range(20))
    until("the survivor has them", lambda: rows(survivor) == set(range(20)), 20)
    # a member is ONLINE a moment before the statement that started it has returned, and until then takes no setting
    until("its START has returned", lambda: not survivor.server.ask(STARTING), 30)
    survivor.server.run("SET GLOBAL group_replication_unreachable_majority_timeout = 0")  # it never gives up by itself
    for pod in [pod for pod in members(trial) if pod is not survivor]:
        pod.container.kill("KILL")
        trial.stop_agent(pod)
        pod.container.remove()
        del trial.pods[pod.name]
    number = survivor.name[-1]
    until(
        "it sees that it is alone",
        lambda: [it for it, said in view(survivor).items() if "ONLINE" in said] == [number],
        30,
    )
    return trial, survivor


def write(trial: Trial, pod: Pod, numbers: range) -> None:
    with over_tls(trial.instance(pod, "hcs_app"), statement_seconds=PATIENCE) as session:
        for number in numbers:
            session.run("INSERT INTO hcs.kept VALUES (%s)", number)


def asked(trial: Trial, names: str) -> None:
    trial.wishes = replace(trial.wishes, allow_data_loss=names)


def state(planned: DatabasePlan) -> str:
    return str((planned.status.get("dataLossRequest") or {}).get("state"))


def test_the_survivor_goes_on_only_when_exactly_the_missing_are_named(lone: tuple[Trial, Pod]) -> None:
    trial, survivor = lone
    missing = [name for name in trial.status["claim"]["members"] if name != survivor.name]
    former = trial.status["claim"]["groupName"]
    for _ in range(3):
        assert trial.turn().steps == (), "a quorum was forced unasked"
    for names in (survivor.name, missing[0]):
        asked(trial, names)
        planned = trial.turn()
        assert (planned.steps, state(planned)) == ((), "Refused")
    asked(trial, ",".join(missing))
    assert view(survivor)[survivor.name[-1]].startswith("ONLINE"), "undecided, by its own word"
    planned = trial.converge("the survivor leads", lambda planned: planned.primary_ready, 150)
    assert state(planned) == "Allowed"
    assert trial.status["claim"]["groupName"] != former
    assert trial.status["claim"]["members"] == [survivor.name]
    assert trial.status["dataLoss"]["members"] == sorted(missing)
    assert rows(survivor) == set(range(20))
    write(trial, survivor, range(2000, 2010))


def test_who_comes_back_is_saved_and_made_a_copy_whatever_its_volume_holds(lone: tuple[Trial, Pod]) -> None:
    trial, _ = lone
    first, second = (int(name[-1]) for name in trial.status["dataLoss"]["members"])
    former = trial.status["dataLoss"]["groupName"]
    old = trial.start(first, agent=False)
    old.server.run(  # what it would hold, had it acknowledged a row that the survivor never received
        "SET GLOBAL super_read_only = OFF", f"SET SESSION gtid_next = '{former}:900'",
        "INSERT INTO hcs.kept VALUES (1000)", "SET GLOBAL super_read_only = ON",
    )  # fmt: skip
    trial.start_agent(old)
    emptied = trial.start(second, agent=False)
    trial.lose_volume(emptied)
    trial.revive(emptied)
    trial.start_agent(emptied)
    trial.converge("three again", of_three(trial), 120)
    until("all have the survivor's rows", lambda: same_everywhere(trial), 30)
    assert rows(old) == set(range(20)) | set(range(2000, 2010))
    exports = [it for ref, it in trial.cluster.objects.items() if ref.kind == "ConfigMap"]
    assert [it["metadata"]["annotations"]["highconcurrency.dev/errant"] for it in exports] == [f"{former}:900"]
    applies_what_it_received_outside_any_group(trial, old)


def applies_what_it_received_outside_any_group(trial: Trial, pod: Pod) -> None:
    with suppress(pymysql.Error), pod.server.root() as session:  # that session ends with its server
        session.execute("FLUSH TABLES WITH READ LOCK")
        write(trial, leader(trial), range(3000, 3005))
        wanted = GtidSet.parse(facts_of(trial, leader(trial)).gtid_executed)
        until("it has received them", lambda: wanted <= held(facts_of(trial, pod)), 20)
        trial.stop_agent(pod)
        pod.container.kill("KILL")
    trial.revive(pod)
    pod.server.until_answers()
    received = GtidSet.parse(facts_of(trial, pod).received)
    assert not rows(pod) & set(range(3000, 3005))
    until("it has applied them", lambda: applied(trial, pod, received), 30)
    assert rows(pod) >= set(range(3000, 3005))


def applied(trial: Trial, pod: Pod, received: GtidSet) -> bool:
    """Whether it has all that it received, once it was told to apply it: it is waited for only so long at a time."""
    asyncio.run(trial.port.perform(ApplyReceived(trial.instance(pod), received)))
    return received <= GtidSet.parse(facts_of(trial, pod).gtid_executed)
