"""The operator's steps as statements: what stands before what, and what is refused before anything is said."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import pytest
from tests.unit.database.played_sessions import PlayedServer
from tests.unit.database.views import GROUP, OTHER_GROUP, REPLICATION, member, reader

from hcs_operator.api.database import Role
from hcs_operator.decide.database.gtid import GtidSet
from hcs_operator.decide.database.steps import ApplyReceived, Claim, Clone, CloseGroup, Follow, Found, Revive, SqlStep
from hcs_operator.mysql import facts
from hcs_operator.mysql.errors import Refused
from hcs_operator.mysql.session import OPENED, Row
from hcs_operator.mysql.steps import perform

pytestmark = pytest.mark.unit

SEED, READER = member(None).instance, reader(None).instance
CLAIM = Claim("shop", "shop", "uid", SEED.name, 2, GROUP, (SEED.name,))
OPEN, CLOSE = "SET GLOBAL super_read_only = OFF", "SET GLOBAL super_read_only = ON"
RELEASE = f"SELECT RELEASE_LOCK('{OPENED}')"
UNLOGGED = "SET SESSION sql_log_bin = 0"
START_APPLIER, STOP_APPLIER = (
    f"{word} REPLICA SQL_THREAD FOR CHANNEL 'group_replication_applier'" for word in ("START", "STOP")
)


def server(
    *, state: str = "OFFLINE", changing: int = 0, row: Mapping[str, Any] | None = None, applying: bool = False
) -> PlayedServer:
    """One whose row is of epoch 1 of the group, at rest unless told otherwise."""
    found = {"group_name": GROUP, "epoch": 1, "solo": 0, "open": 1, **(row or {})}
    return PlayedServer(
        {
            "GET_LOCK": [{"locked": 1}],
            "AS role": [{"own": 1, "state": state, "role": ""}],
            "processlist": [{"changing": changing}],
            "FROM hcs_meta.member_group": [found],
            "AS applying": [{"applying": applying, "coordinating": "", "error": "damaged relay log"}],
            "AS late": [{"late": 1}],
        }
    )


def said(step: SqlStep, at: PlayedServer) -> list[str]:
    with at.session() as session:
        perform(step, session, lambda _: at.session())
    return at.statements


def test_a_readers_channel_is_its_own_and_nothing_of_what_its_copy_carried_is_left() -> None:
    step = Follow(READER, SEED, GROUP, REPLICATION)
    stop, opened, reset, forget, change, manage, unlogged, mark, closed, _, start = said(step, server())
    assert (stop, opened, closed, start) == ("STOP REPLICA", OPEN, CLOSE, "START REPLICA")
    assert reset == "SELECT asynchronous_connection_failover_reset()"
    assert forget == "RESET REPLICA ALL FOR CHANNEL ''"
    assert change.startswith(f"CHANGE REPLICATION SOURCE TO SOURCE_HOST = <{SEED.host}>")
    assert "SOURCE_SSL_VERIFY_SERVER_CERT = 1" in change
    assert "SOURCE_AUTO_POSITION = 1" in change
    assert "SOURCE_CONNECTION_AUTO_FAILOVER = 1" in change
    assert manage.startswith(
        f"SELECT asynchronous_connection_failover_add_managed('', 'GroupReplication', <{GROUP}>, <{SEED.host}>"
    )
    assert unlogged == UNLOGGED
    assert "channel_owner" in mark


def test_a_reader_follows_nobody_while_it_is_copied_over_tls_from_the_one_donor_that_was_chosen() -> None:
    at = server()
    at.answers = {**at.answers, "AS executed": [{"executed": f"{GROUP}:1-9"}]}
    step = Clone(READER, GtidSet.parse(f"{GROUP}:1-9"), SEED, REPLICATION)
    stop, donors, opened, clone = said(step, at)
    assert (stop, opened) == ("STOP REPLICA", OPEN)
    assert donors == f"SET GLOBAL clone_valid_donor_list = <{SEED.host}:{SEED.port}>"
    assert clone.startswith(f"CLONE INSTANCE FROM <{REPLICATION.user}>@<{SEED.host}>:<{SEED.port}>")
    assert clone.endswith("REQUIRE SSL")


def empty(executed: str = "") -> PlayedServer:
    """One that has no row of a group."""
    at = server()
    volume: dict[str, list[Row]] = {"AS uuid": [{"uuid": "uuid"}], "AS executed": [{"executed": executed}]}
    at.answers = {**at.answers, **volume, "FROM hcs_meta.member_group": []}
    return at


def test_a_group_is_founded_outside_the_binary_log_and_over_no_transaction() -> None:
    opened, unlogged, row = said(Found(CLAIM, SEED, "uuid"), empty())
    assert (opened, unlogged) == (OPEN, UNLOGGED)
    assert row.startswith("INSERT INTO hcs_meta.member_group")
    assert row.endswith(f"VALUES (1, <{GROUP}>, <2>, @@server_uuid)")
    at = empty(f"{OTHER_GROUP}:1")
    with pytest.raises(Refused, match="holds transactions"):
        said(Found(CLAIM, SEED, "uuid"), at)
    assert at.statements == []


@pytest.mark.parametrize("row", [{"group_name": OTHER_GROUP, "epoch": 2}, {"epoch": 1}])
def test_a_group_is_founded_over_no_other_groups_row(row: Mapping[str, Any]) -> None:
    at = server(row=row)
    at.answers = {**at.answers, "AS uuid": [{"uuid": "uuid"}]}
    with pytest.raises(Refused, match="left as it is"):
        said(Found(CLAIM, SEED, "uuid"), at)
    assert at.statements == []


def test_a_member_is_marked_under_the_claims_name_and_epoch_outside_the_binary_log() -> None:
    unlogged, opened, mark, closed, _ = said(Revive(CLAIM, SEED), server())
    assert (unlogged, opened, closed) == (UNLOGGED, OPEN, CLOSE)
    assert mark.startswith(
        f"UPDATE hcs_meta.member_group SET solo_uuid = @@server_uuid, group_name = <{GROUP}>, epoch = <2>"
    )
    assert mark.endswith("AND epoch < <2>")


def test_a_member_that_is_marked_already_is_left_alone() -> None:
    assert said(Revive(CLAIM, SEED), server(row={"epoch": 2, "solo": 1})) == []


def test_an_applier_that_is_on_still_is_stopped_before_the_group_is_taken_up() -> None:
    assert said(Revive(CLAIM, SEED), server(applying=True))[0] == STOP_APPLIER


@pytest.mark.parametrize(
    "at",
    [
        pytest.param(server(state="ERROR"), id="the engine tries to join again"),
        pytest.param(server(state="ONLINE"), id="it is in the group"),
        pytest.param(server(changing=1), id="a START is being executed"),
        pytest.param(server(row={"epoch": 2}), id="its row is of this epoch"),
        pytest.param(server(row={"group_name": OTHER_GROUP}), id="its row is of another group"),
    ],
)
def test_nobody_is_marked_who_is_not_at_rest_before_the_claims_epoch(at: PlayedServer) -> None:
    with pytest.raises(Refused):
        said(Revive(CLAIM, SEED), at)
    assert at.statements == []


@pytest.mark.parametrize("at", [server(state="ERROR"), server(state="ONLINE"), server(changing=1)])
def test_nothing_is_applied_beside_the_group(at: PlayedServer) -> None:
    with pytest.raises(Refused):
        said(ApplyReceived(SEED, GtidSet.parse(f"{GROUP}:1-3")), at)
    assert at.statements == []


def test_what_was_received_is_applied_by_the_groups_own_applier_and_a_damaged_relay_log_shows() -> None:
    at = server()
    with pytest.raises(Refused, match="damaged relay log"):
        said(ApplyReceived(SEED, GtidSet.parse(f"{GROUP}:1-3")), at)
    assert at.statements == [START_APPLIER]


def test_what_is_slow_to_be_applied_is_no_damage_and_the_applier_is_stopped() -> None:
    step = ApplyReceived(SEED, GtidSet.parse(f"{GROUP}:1-3"))
    assert said(step, server(applying=True)) == [START_APPLIER, STOP_APPLIER]


def test_a_group_of_one_is_closed_by_one_statement_that_rests_on_its_own_view() -> None:
    (close,) = said(CloseGroup(CLAIM, SEED), server(row={"solo": 1}))
    assert "(SELECT COUNT(*) FROM performance_schema.replication_group_members) = 1" in close
    with pytest.raises(Refused, match="not alone"):
        said(CloseGroup(CLAIM, SEED), server(row={"solo": 0}))


def test_a_step_whose_server_somebody_else_has_open_is_refused() -> None:
    at = server()
    at.answers = {**at.answers, "GET_LOCK": [{"locked": 0}]}
    with pytest.raises(Refused):
        said(Revive(CLAIM, SEED), at)
    assert OPEN not in at.statements


def test_a_server_that_was_opened_is_closed_however_the_step_ends() -> None:
    at = server()
    at.fails = {"UPDATE": Refused("no")}
    with suppress(Refused):
        said(Revive(CLAIM, SEED), at)
    assert at.statements[-2:] == [CLOSE, RELEASE]


@pytest.mark.parametrize("changing", [0, 1])
def test_a_start_or_stop_in_the_process_list_is_a_group_that_changes(changing: int) -> None:
    at = server(changing=changing)
    with at.session() as session:
        assert facts.group(session).changing is bool(changing)


def test_what_a_member_received_is_looked_at_beside_what_it_has_executed() -> None:
    server_row = {"server_uuid": "uuid", "version": "9.7.4", "super_read_only": 1, "opened": 0, "busy_reads": 0}
    sets = {"gtid_executed": f"{GROUP}:1-2,\n{OTHER_GROUP}:1", "gtid_purged": ""}
    at = server()
    at.answers = {
        "busy_reads": [{**server_row, **sets}],
        "AS received": [{"received": f"{GROUP}:1-22,\n{OTHER_GROUP}:1"}],
        "AS queued": [{"queued": 20, "bound": 500}],
        **at.answers,
    }
    with at.session() as session:
        found = facts.examine(session, Role.MEMBER)
    assert (found.gtid_executed, found.received) == (
        f"{GROUP}:1-2,{OTHER_GROUP}:1",
        f"{GROUP}:1-22,{OTHER_GROUP}:1",
    )
    assert (found.applier_queue, found.applier_bound) == (20, 500)
