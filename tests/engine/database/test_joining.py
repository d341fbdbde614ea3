"""How a member of three joins again on real MySQL once the replication password was rotated, and what its row lets it do."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from tests.engine.containers import until
from tests.engine.database.group import all_online, grown_to_three, leader, members
from tests.engine.database.trial import Pod, Trial

from hcs_operator.agent.accounts import REPLICATION, discard
from hcs_operator.mysql import facts
from hcs_operator.mysql.session import opened, over_socket

pytestmark = pytest.mark.engine

STORED = (
    "SELECT User_password AS password FROM mysql.slave_master_info WHERE Channel_name = 'group_replication_recovery'"
)


@pytest.fixture(scope="module")
def trio(new_trial: Callable[[], Trial]) -> Trial:
    """Three members."""
    return grown_to_three(new_trial())


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
    assert seen == {True, False}


def test_a_row_lets_only_the_very_server_that_was_alone_bootstrap_and_no_copy_of_its_data(trio: Trial) -> None:
    pod = next(pod for pod in members(trio) if pod is not leader(trio))
    found = []
    with over_socket(str(pod.server.socket)) as session, opened(session):
        session.run("SET SESSION sql_log_bin = 0")
        for uuid in ("@@server_uuid", "UUID()", "NULL"):
            session.run(f"UPDATE hcs_meta.member_group SET solo_uuid = {uuid} WHERE id = 1")
            found.append(facts.member_group(session))
    assert [(row.solo, row.open) for row in found if row] == [(True, False), (False, False), (False, True)]
