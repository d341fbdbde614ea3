"""A member of real MySQL that falls behind slows the group's writes, by the engine's own count, and the operator tells."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pymysql
import pytest
from tests.engine.containers import until
from tests.engine.database.group import PATIENCE, facts_of, grown_to_three, leader, members, same_everywhere
from tests.engine.database.side_by_side import at_work
from tests.engine.database.trial import Pod, Trial

from hcs_operator.build.mysql_config import GROUP
from hcs_operator.decide.database.outcome import DatabasePlan
from hcs_operator.mysql.errors import DatabaseError
from hcs_operator.mysql.session import over_tls

pytestmark = pytest.mark.engine

BOUND = 50
COMPONENT = "file://component_group_replication_flow_control_stats"
COUNTED = """
SELECT VARIABLE_VALUE AS x FROM performance_schema.global_status WHERE VARIABLE_NAME = 'Gr_flow_control_throttle_count'
"""


@contextmanager
def holding_its_appliers(pod: Pod) -> Iterator[None]:
    """Nothing that the pod receives is applied while the block runs."""
    held = pymysql.connect(unix_socket=str(pod.server.socket), user="root", autocommit=True, ssl_disabled=True)
    with held, held.cursor() as cursor:
        cursor.execute("FLUSH TABLES WITH READ LOCK")
        yield
        cursor.execute("UNLOCK TABLES")


@contextmanager
def written_to(trial: Trial, primary: Pod) -> Iterator[None]:
    """Four clients commit as fast as they may."""
    numbers = itertools.count(1)

    def write(_: int, done: threading.Event) -> None:
        with suppress(DatabaseError), over_tls(trial.instance(primary, "hcs_app"), statement_seconds=PATIENCE) as it:
            while not done.is_set():
                it.run("INSERT INTO hcs.kept VALUES (%s)", next(numbers))

    with at_work(4, write):
        yield


def test_writes_that_the_group_slows_are_told_until_what_waits_is_applied(new_trial: Callable[[], Trial]) -> None:
    trial = grown_to_three(new_trial())
    primary = leader(trial)
    behind = next(pod for pod in members(trial) if pod is not primary)
    assert {facts_of(trial, pod).applier_bound for pod in members(trial)} == {
        int(GROUP["flow_control_applier_threshold"])
    }
    primary.server.run("SET sql_log_bin = 0", f"INSTALL COMPONENT '{COMPONENT}'")
    for pod in members(trial):
        pod.server.run(f"SET GLOBAL group_replication_flow_control_applier_threshold = {BOUND}")

    def told(planned: DatabasePlan) -> bool:
        return planned.replication is not None and planned.replication.word == "WritesThrottled"

    with holding_its_appliers(behind), written_to(trial, primary):
        slowed = trial.converge("the slowed writes are told", told)
        assert slowed.replication
        assert behind.name in slowed.replication.message
        assert f"more than {BOUND} transactions" in slowed.replication.message
        until("the engine counts them, too", lambda: int(primary.server.ask(COUNTED)[0]["x"]) > 0, 30)
    trial.converge("it is told no more", lambda planned: not told(planned))
    until("all members have the same rows", lambda: same_everywhere(trial), 60)
