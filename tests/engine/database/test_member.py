"""A group of one on real MySQL: founded once, back by itself, its accounts and certificates kept."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pymysql
import pytest
from tests.engine.containers import until
from tests.engine.database.side_by_side import at_work
from tests.engine.database.trial import Pod, Trial

from hcs_operator.agent.accounts import discard
from hcs_operator.build.mysql_config import LEAVE
from hcs_operator.mysql.errors import DatabaseError, Denied, NotTrusted, Refused
from hcs_operator.mysql.session import over_tls
from hcs_operator.tls.issue import BACKDATED

pytestmark = pytest.mark.engine

USERS = ("hcs_admin", "hcs_repl", "hcs_app", "hcs_read", "hcs_migrate")


def only(trial: Trial) -> Pod:
    (pod,) = trial.pods.values()
    return pod


def logs_in(trial: Trial, user: str, password: str = "") -> bool:
    try:
        with over_tls(trial.instance(only(trial), user, password)) as session:
            return session.query("SELECT CURRENT_USER() AS me") == [{"me": f"{user}@%"}]
    except Denied:
        return False


def leads(pod: Pod) -> bool:
    rows = pod.server.ask(
        "SELECT member_state AS state, member_role AS role FROM performance_schema.replication_group_members"
    )
    return (
        rows == [{"state": "ONLINE", "role": "PRIMARY"}] and not pod.server.ask("SELECT @@super_read_only AS x")[0]["x"]
    )


def bootstrap_flag(pod: Pod) -> int:
    return int(pod.server.ask("SELECT @@GLOBAL.group_replication_bootstrap_group AS flag")[0]["flag"])


def write_row(trial: Trial, number: int) -> None:
    # a client's patience, not an observer's: a primary that was just elected holds statements back for a while
    with over_tls(trial.instance(only(trial), "hcs_migrate"), statement_seconds=30) as session:
        session.run("CREATE DATABASE IF NOT EXISTS hcs")
        session.run("CREATE TABLE IF NOT EXISTS hcs.kept (id INT PRIMARY KEY)")
        session.run("INSERT INTO hcs.kept VALUES (%s)", number)


def kept(trial: Trial) -> list[int]:
    with over_tls(trial.instance(only(trial), "hcs_read"), statement_seconds=30) as session:  # as above
        return [row["id"] for row in session.query("SELECT id FROM hcs.kept ORDER BY id")]


def test_the_operator_claims_and_founds_and_the_agent_bootstraps(founded: Trial) -> None:
    pod = only(founded)
    assert founded.status["bootstrapped"] is True
    assert founded.status["claim"]["seed"] == pod.name
    assert founded.status["currentPrimary"] == pod.name
    assert founded.status["safeToLosePrimaryReason"] == "SingleMember"


def test_bootstrap_group_is_off_once_the_group_runs(founded: Trial) -> None:
    until("bootstrap_group is off", lambda: bootstrap_flag(only(founded)) == 0, 10)


@pytest.mark.parametrize("user", USERS)
def test_each_account_logs_in_with_its_mounted_password(founded: Trial, user: str) -> None:
    assert logs_in(founded, user)


def test_an_account_is_refused_without_tls(founded: Trial) -> None:
    pod = only(founded)
    with pytest.raises(pymysql.err.OperationalError, match="Access denied"):
        pymysql.connect(
            host=pod.container.address, user="hcs_app", password=founded.password("app-password"), ssl_disabled=True
        )


def test_root_is_refused_from_the_network(founded: Trial) -> None:
    with pytest.raises(pymysql.err.OperationalError, match="Access denied"):
        pymysql.connect(host=only(founded).container.address, user="root")


def test_an_account_cannot_do_what_it_was_not_granted(founded: Trial) -> None:
    write_row(founded, 1)
    instance = founded.instance(only(founded), "hcs_read")
    with over_tls(instance) as session, pytest.raises(Refused, match="command denied"):
        session.run("INSERT INTO hcs.kept VALUES (9)")


def test_a_certificate_for_another_name_is_refused(founded: Trial) -> None:
    instance = replace(founded.instance(only(founded)), host="elsewhere.engine.svc.cluster.local")
    with pytest.raises(NotTrusted, match=r"(?i)hostname mismatch"), over_tls(instance):
        pass


def test_a_certificate_of_another_authority_is_refused(founded: Trial, new_trial: Callable[[], Trial]) -> None:
    instance = founded.instance(only(founded))
    other = replace(instance.access, ca=new_trial().authority.certificate)
    with pytest.raises(NotTrusted, match="certificate verify failed"), over_tls(replace(instance, access=other)):
        pass


def test_the_agent_reloads_a_renewed_certificate_without_a_restart(founded: Trial) -> None:
    pod = only(founded)
    uptime = "SELECT VARIABLE_VALUE AS x FROM performance_schema.global_status WHERE VARIABLE_NAME = 'Uptime'"
    before = int(pod.server.ask(uptime)[0]["x"])
    names = founded.names(pod.name, f"{founded.stack}-db-0")
    issued = datetime.now(UTC) - timedelta(days=20)
    renewed = founded.certificate(names, issued)
    pod.container.put(
        {"/etc/hcs/tls/tls.crt": renewed.certificate, "/etc/hcs/tls/tls.key": renewed.key}, owner=999, mode=0o440
    )
    founded.mount_certificate(
        pod.tls, renewed
    )  # last: a pod's containers have one volume, which changes for both at once
    shown = (
        "SELECT VARIABLE_VALUE AS x FROM performance_schema.global_status WHERE VARIABLE_NAME = 'Ssl_server_not_before'"
    )
    begin = f"{issued - BACKDATED:%b %e %H:%M:%S %Y} GMT"
    until("the renewed certificate is served", lambda: pod.server.ask(shown)[0]["x"] == begin, 20)
    assert before <= int(pod.server.ask(uptime)[0]["x"])


def test_a_rotated_password_is_set_and_the_old_one_works_until_it_is_discarded(founded: Trial) -> None:
    old, new = founded.password("app-password"), "changed-" + os.urandom(12).hex()
    founded.set_password("app-password", new)
    until("the new password works", lambda: logs_in(founded, "hcs_app", new), 20)
    assert logs_in(founded, "hcs_app", old)
    for sql, _ in discard(frozenset({"hcs_app"})):
        only(founded).server.run(sql)
    assert not logs_in(founded, "hcs_app", old)
    assert logs_in(founded, "hcs_app", new)


def test_the_operator_keeps_looking_while_its_own_new_password_is_on_its_way(founded: Trial) -> None:
    pod = only(founded)
    founded.stop_agent(pod)
    founded.set_password("admin-password", "changed-" + os.urandom(12).hex())
    until("it is seen to lead", lambda: founded.plan().primary_ready, 30)
    founded.start_agent(pod)
    until("the new password works", lambda: logs_in(founded, "hcs_admin"), 20)


def test_a_killed_member_comes_back_as_its_group_without_an_operator(founded: Trial) -> None:
    pod = only(founded)
    write_row(founded, 2)
    pod.container.kill()
    pod.container.start()
    until("the member leads its group again", lambda: leads(pod), 60)
    assert 2 in kept(founded)
    until("bootstrap_group is off", lambda: bootstrap_flag(pod) == 0, 10)


def test_a_member_that_was_killed_during_its_bootstrap_comes_back(founded: Trial) -> None:
    pod = only(founded)
    founded.stop_agent(pod)
    pod.container.kill()
    pod.container.start()
    pod.server.until_answers()
    pod.server.run("SET GLOBAL group_replication_bootstrap_group = ON")
    founded.start_agent(pod)
    until("the member leads its group again", lambda: leads(pod), 60)
    until("bootstrap_group is off", lambda: bootstrap_flag(pod) == 0, 10)


def test_passwords_of_a_new_secret_are_set_over_old_data(founded: Trial) -> None:
    pod = only(founded)
    founded.stop_agent(pod)
    pod.container.kill()
    for file in ("admin", "repl", "app", "read", "migrate"):
        founded.set_password(f"{file}-password", "anew-" + os.urandom(12).hex())
    pod.container.start()
    founded.start_agent(pod)
    until("every account takes its new password", lambda: leads(pod) and all(logs_in(founded, it) for it in USERS), 60)


@contextmanager
def writers(trial: Trial, count: int = 8) -> Iterator[None]:
    """Sessions that commit as fast as they can, until the block ends."""
    write_row(trial, 100)

    def work(number: int, done: threading.Event) -> None:
        while not done.is_set():
            with suppress(DatabaseError), over_tls(trial.instance(only(trial), "hcs_migrate")) as session:
                while not done.is_set():
                    session.run("REPLACE INTO hcs.kept VALUES (%s)", 1000 + number)

    with at_work(count, work):
        yield


def test_a_member_under_writes_stops_within_its_grace_and_comes_back(founded: Trial) -> None:
    pod = only(founded)
    with writers(founded):
        assert pod.container.run("sh", "-c", LEAVE).code == 0
        until("its agent stands back", lambda: "the pod is stopping" in founded.agent_log(pod), 10)
        pod.container.stop(grace_seconds=90)
    assert pod.container.state["ExitCode"] == 0
    (pod.server.socket.parent / "stopping").unlink()
    pod.container.start()
    until("the member leads its group again", lambda: leads(pod), 60)


def test_a_stack_made_anew_over_old_data_adopts_its_group_and_rows(founded: Trial) -> None:
    write_row(founded, 3)
    group = founded.status["groupName"]
    founded.create_stack()
    founded.converge("the stack is ready again", lambda planned: planned.primary_ready, 60)
    assert founded.status["groupName"] == group
    assert 3 in kept(founded)


def test_an_account_setup_leaves_no_errant_transactions(founded: Trial) -> None:
    pod = only(founded)
    executed = pod.server.ask("SELECT @@GLOBAL.gtid_executed AS gtids, @@server_uuid AS uuid")[0]
    assert executed["uuid"] not in executed["gtids"]


def test_a_lost_volume_is_named_and_nothing_is_founded_in_its_place(new_trial: Callable[[], Trial]) -> None:
    trial = new_trial()
    pod = trial.start(0)
    trial.converge("the group of one is ready", lambda planned: planned.primary_ready)
    pod.server.run("SET GLOBAL super_read_only = OFF")
    trial.lose_volume(pod)
    pod.container.start()
    pod.server.until_answers()
    planned = trial.converge("the loss is named", lambda planned: planned.problem, 60)
    assert planned.problem
    assert planned.problem.word == "VolumeLost"
    assert planned.steps == ()
    assert pod.server.ask("SELECT @@GLOBAL.gtid_executed AS gtids") == [{"gtids": ""}]


def test_a_member_with_data_of_no_group_is_left_alone(new_trial: Callable[[], Trial]) -> None:
    trial = new_trial()
    pod = trial.start(0, agent=False)
    pod.server.run("SET GLOBAL super_read_only = OFF", "CREATE DATABASE theirs", "SET GLOBAL super_read_only = ON")
    trial.start_agent(pod)
    planned = trial.converge("the data is named", lambda planned: planned.problem, 60)
    assert planned.problem
    assert planned.problem.word == "DataWithoutGroup"
    assert "claim" not in trial.status


def test_an_unreachable_instance_is_an_error_within_seconds(founded: Trial) -> None:
    pod = only(founded)
    pod.container.pause()
    try:
        with pytest.raises(DatabaseError), over_tls(founded.instance(pod)) as session:
            session.query("SELECT 1")
    finally:
        pod.container.unpause()
