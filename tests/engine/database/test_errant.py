"""Transactions that one instance alone has, on real MySQL: exported as a binary log, given up for a new copy, replayed."""

from __future__ import annotations

import asyncio
import base64
import gzip
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from tests.engine.containers import until
from tests.engine.database.group import PATIENCE
from tests.engine.database.trial import Pod, Trial
from tests.engine.mysql_servers import GROUP_NAME

from hcs_operator.act.errant import FILE
from hcs_operator.api.database import ERRANT, Role
from hcs_operator.decide.database.gtid import GtidSet
from hcs_operator.decide.database.outcome import DatabasePlan
from hcs_operator.decide.database.steps import Clone, Export
from hcs_operator.mysql import binlog
from hcs_operator.mysql.errors import NotExported, Refused
from hcs_operator.mysql.session import opened, over_socket, over_tls

pytestmark = pytest.mark.engine

STATES = "SELECT MEMBER_STATE AS state FROM performance_schema.replication_group_members"
EXECUTED = "SELECT @@GLOBAL.gtid_executed AS executed"
SERVER = "SELECT @@server_uuid AS uuid"


def of_role(trial: Trial, role: Role) -> list[Pod]:
    return [pod for pod in trial.pods.values() if pod.role is role]


def leader(trial: Trial) -> Pod:
    return trial.pods[str(trial.status["currentPrimary"])]


def all_online(trial: Trial) -> bool:
    return all(
        [row["state"] for row in pod.server.ask(STATES)] == ["ONLINE"] * 3 for pod in of_role(trial, Role.MEMBER)
    )


def at_rest(trial: Trial) -> Callable[[DatabasePlan], bool]:
    """All members ONLINE, all readers serve, nothing left to do."""

    def good(planned: DatabasePlan) -> bool:
        readers = len(of_role(trial, Role.READER))
        quiet = planned.primary_ready and not planned.steps and planned.problem is None
        return quiet and planned.readers_ready == readers and all_online(trial)

    return good


def write(trial: Trial, number: int, name: str = "the group's") -> None:
    with over_tls(trial.instance(leader(trial), "hcs_app"), statement_seconds=PATIENCE) as session:
        session.run("INSERT INTO hcs.kept VALUES (%s, %s)", number, name)


def rows(pod: Pod) -> dict[int, str]:
    return {row["id"]: row["name"] for row in pod.server.ask("SELECT id, name FROM hcs.kept")}


def same_everywhere(trial: Trial) -> bool:
    """Rows and checksums, not transaction sets: those can be equal over different rows."""
    return len({str(pod.server.ask("CHECKSUM TABLE hcs.kept")) for pod in trial.pods.values()}) == 1


@pytest.fixture(scope="module")
def four(new_trial: Callable[[], Trial]) -> Trial:
    """A group of three and a reader of it."""
    trial = new_trial()
    trial.start(0)
    trial.converge("the group of one is ready", lambda planned: planned.primary_ready)
    with over_tls(
        trial.instance(trial.pods[f"{trial.stack}-db-0-0"], "hcs_migrate"), statement_seconds=PATIENCE
    ) as session:
        session.run("CREATE DATABASE hcs")
        session.run("CREATE TABLE hcs.kept (id INT PRIMARY KEY, name VARCHAR(32))")
    trial.wishes = replace(trial.wishes, members=3)
    for ordinal in (1, 2):
        trial.start(ordinal)
    trial.start(0, Role.READER)
    trial.converge("three members and a reader", at_rest(trial), 180)
    return trial


def exports(trial: Trial, pod: Pod) -> list[dict[str, Any]]:
    objects = trial.cluster.objects
    config_maps = [it for ref, it in objects.items() if ref.kind == "ConfigMap"]
    return [it for it in config_maps if it["metadata"]["labels"][ERRANT] == pod.name]


def own(pod: Pod, before: GtidSet) -> GtidSet:
    """What the server has executed under its own name since."""
    uuid = str(pod.server.ask(SERVER)[0]["uuid"])
    now = GtidSet.parse(pod.server.ask(EXECUTED)[0]["executed"])
    return GtidSet({source: it for source, it in (now - before).intervals.items() if source[0] == uuid})


def executed(pod: Pod) -> GtidSet:
    return GtidSet.parse(pod.server.ask(EXECUTED)[0]["executed"])


def strayed(trial: Trial, pod: Pod) -> GtidSet:
    """Somebody takes a secondary out of its group, writes to it, and leaves it open; return what it has of its own."""
    trial.stop_agent(pod)
    pod.server.run("STOP GROUP_REPLICATION")
    before = executed(pod)
    pod.server.run(
        "SET GLOBAL super_read_only = OFF, read_only = OFF",
        "INSERT INTO hcs.kept VALUES (9001, 'its own')",
        "INSERT INTO hcs.kept VALUES (9002, 'its own'), (9003, 'its own')",
        "FLUSH BINARY LOGS",
        "DELETE FROM hcs.kept WHERE id = 9003",
    )
    found = own(pod, before)
    trial.start_agent(pod)
    return found


def into_file(pod: Pod, config_map: dict[str, Any]) -> str:
    """Put an export where the container's own mysqlbinlog finds it."""
    path = pod.server.socket.parent / "own.binlog"
    path.write_bytes(gzip.decompress(base64.b64decode(config_map["binaryData"][FILE])))
    return "/run/mysqld/own.binlog"


def test_a_member_with_transactions_of_its_own_is_exported_and_comes_back_as_a_copy(four: Trial) -> None:
    pod = next(it for it in of_role(four, Role.MEMBER) if it is not leader(four))
    errant = strayed(four, pod)
    assert len(errant) == 3
    for number in range(1, 11):
        write(four, number)
    four.converge("it is in the group again", at_rest(four), 150)
    until("rows and checksums are the same", lambda: same_everywhere(four), 30)
    assert set(rows(pod)) >= set(range(1, 11))
    assert not {9001, 9002, 9003} & set(rows(pod))
    assert not errant <= executed(pod)
    (config_map,) = exports(four, pod)
    assert config_map["metadata"]["annotations"][ERRANT] == str(errant)
    assert binlog.covered(base64.b64decode(config_map["binaryData"][FILE])) == errant


def test_mysqlbinlog_reads_the_export_and_it_can_be_replayed_on_the_primary(four: Trial) -> None:
    (config_map,) = [it for pod in of_role(four, Role.MEMBER) for it in exports(four, pod)]
    primary = leader(four)
    file = into_file(primary, config_map)
    read = primary.container.run("mysqlbinlog", "--verbose", "--base64-output=decode-rows", file)
    assert read.code == 0, read.text
    assert read.text.count("### INSERT INTO `hcs`.`kept`") == 3
    assert read.text.count("### DELETE FROM `hcs`.`kept`") == 1
    assert "###   @1=9001" in read.text
    assert not [number for number in range(1, 11) if f"###   @1={number}\n" in read.text]
    client = "mysql --no-defaults --socket=/run/mysqld/mysqld.sock --user=root"
    replayed = primary.container.run("sh", "-c", f"mysqlbinlog --skip-gtids {file} | {client}")
    assert replayed.code == 0, replayed.text
    until("the rows are everywhere", lambda: same_everywhere(four), 30)
    assert {number: name for number, name in rows(primary).items() if number > 9000} == {
        9001: "its own",
        9002: "its own",
    }


def test_a_reader_with_transactions_of_its_own_takes_no_reads_and_is_rebuilt(four: Trial) -> None:
    (pod,) = of_role(four, Role.READER)
    before = executed(pod)
    with over_socket(str(pod.server.socket), statement_seconds=PATIENCE) as session, opened(session):
        session.run("INSERT INTO hcs.kept VALUES (9100, 'its own')")
    errant = own(pod, before)
    four.converge("it takes no reads", lambda planned: planned.readers_ready == 0, 30)
    write(four, 11)
    four.converge("it serves again", at_rest(four), 120)
    until("rows and checksums are the same", lambda: same_everywhere(four), 30)
    assert 11 in rows(pod)
    assert 9100 not in rows(pod)
    (config_map,) = exports(four, pod)
    assert binlog.covered(base64.b64decode(config_map["binaryData"][FILE])) == errant


def test_what_its_binary_logs_no_longer_have_is_not_given_up(four: Trial) -> None:
    (pod,) = of_role(four, Role.READER)
    before = executed(pod)
    with over_socket(str(pod.server.socket), statement_seconds=PATIENCE) as session, opened(session):
        session.run("INSERT INTO hcs.kept VALUES (9200, 'its own')")
        session.run("FLUSH BINARY LOGS")
        session.run("PURGE BINARY LOGS BEFORE NOW() + INTERVAL 1 HOUR")
    errant, saved = own(pod, before), len(exports(four, pod))
    planned = [four.turn() for _ in range(3)][-1]
    (step,) = planned.steps
    assert isinstance(step, Export)
    with pytest.raises(NotExported, match="no longer have them"):
        asyncio.run(four.port.export(step))
    donor = four.instance(leader(four))
    clone = Clone(
        step.instance, executed(pod), donor, step.replication, replace(step, errant=GtidSet.parse(f"{GROUP_NAME}:1"))
    )
    with pytest.raises(Refused, match="not overwritten"):
        asyncio.run(four.port.perform(clone))
    assert errant <= executed(pod)
    assert 9200 in rows(pod)
    assert len(exports(four, pod)) == saved
    assert not next(it for it in four.status["instances"] if it["name"] == pod.name)["readEligible"]
