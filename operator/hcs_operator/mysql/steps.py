"""The plan's steps in SQL. Each looks before it acts and can be repeated."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import assert_never

from hcs_operator.api.database import Instance, Role
from hcs_operator.decide.database.gtid import GtidSet
from hcs_operator.decide.database.steps import (
    ApplyReceived,
    Clone,
    Close,
    CloseGroup,
    Follow,
    Found,
    GroupStep,
    Halt,
    HandOver,
    OpenGroup,
    Quiesce,
    Resume,
    Revive,
    SqlStep,
    Tune,
)
from hcs_operator.mysql import facts
from hcs_operator.mysql.errors import NotTaken, Refused
from hcs_operator.mysql.session import Session, opened

_CHANGE_SOURCE = """
CHANGE REPLICATION SOURCE TO SOURCE_HOST = %s, SOURCE_PORT = %s, SOURCE_USER = %s, SOURCE_PASSWORD = %s,
  SOURCE_AUTO_POSITION = 1, SOURCE_SSL = 1, SOURCE_SSL_CA = '/etc/hcs/tls/ca.crt', SOURCE_SSL_VERIFY_SERVER_CERT = 1,
  SOURCE_CONNECT_RETRY = 1, SOURCE_RETRY_COUNT = 1, SOURCE_HEARTBEAT_PERIOD = 1, SOURCE_CONNECTION_AUTO_FAILOVER = 1
"""

_MANAGE = "SELECT asynchronous_connection_failover_add_managed('', 'GroupReplication', %s, %s, %s, '', 80, 60)"


_APPLIER = "group_replication_applier"
_APPLYING = """
SELECT applier.SERVICE_STATE = 'ON' AS applying, coordinator.LAST_ERROR_MESSAGE AS coordinating,
       (SELECT MAX(LAST_ERROR_MESSAGE) FROM performance_schema.replication_applier_status_by_worker
         WHERE CHANNEL_NAME = applier.CHANNEL_NAME) AS error
  FROM performance_schema.replication_applier_status AS applier
  LEFT JOIN performance_schema.replication_applier_status_by_coordinator AS coordinator USING (CHANNEL_NAME)
 WHERE CHANNEL_NAME = %s
"""
APPLY_SECONDS = 5
"""For what was received, in one look; the next one goes on."""

Opener = Callable[[Instance], AbstractContextManager[Session]]


def perform(step: SqlStep, session: Session, opener: Opener) -> None:
    """Carry out one step in a session at its instance; raises DatabaseError. `opener` reaches any other instance."""
    match step:
        case Clone():
            _clone(step, session, opener)
        case Follow():
            _follow(step, session)
        case Resume():
            session.run("START REPLICA")
        case Quiesce():
            session.run("STOP REPLICA")
        case Close():
            _close(step, session)
        case Tune():
            _tune(step, session)
        case _:
            _of_the_group(step, session)


def _of_the_group(step: GroupStep, session: Session) -> None:
    match step:
        case Found():
            _found(step, session)
        case Revive():
            _revive(step, session)
        case Halt():
            session.launch("STOP GROUP_REPLICATION")
        case ApplyReceived():
            _apply_received(step, session)
        case OpenGroup():
            session.run(facts.OPEN_GROUP)
        case CloseGroup():
            _close_group(step, session)
        case HandOver():
            session.query("SELECT group_replication_set_as_primary(%s)", step.uuid)
        case _:
            assert_never(step)


def _found(step: Found, session: Session) -> None:
    server = session.one("SELECT @@server_uuid AS uuid")
    if server is None or server["uuid"] != step.uuid:  # it cannot become another one while the session lasts
        raise Refused(f"{step.seed.name} has another volume than was looked at; no group is founded on it")
    row, claim = facts.member_group(session), step.claim
    if row is not None:
        if (row.group_name, row.epoch) != (claim.group_name, claim.epoch):
            raise Refused(f"{step.seed.name} belongs to group {row.group_name}, epoch {row.epoch}; it is left as it is")
        return
    if executed := _executed(session):
        raise Refused(f"{step.seed.name} holds transactions ({executed}); no group is founded over them")
    # Not set back here: START GROUP_REPLICATION, which follows at once, closes the server until it is primary; a
    # statement of ours could come too late and close a primary.
    session.run("SET GLOBAL super_read_only = OFF")
    session.run("SET SESSION sql_log_bin = 0")
    session.run(
        "INSERT INTO hcs_meta.member_group (id, group_name, epoch, solo_uuid) VALUES (1, %s, %s, @@server_uuid)",
        claim.group_name,
        claim.epoch,
    )


def _revive(step: Revive, session: Session) -> None:
    claim, row = step.claim, facts.member_group(session)
    if row is not None and row.solo and row.epoch == claim.epoch:
        return
    if row is None or row.group_name not in {claim.group_name, step.former} or row.epoch >= claim.epoch:
        raise Refused(f"{step.seed.name} has no row that epoch {claim.epoch} of group {claim.group_name} may follow")
    _at_rest(step.seed, session)
    _stop_applying(session)  # on still, if `ApplyReceived` was interrupted
    session.run("SET SESSION sql_log_bin = 0")
    with opened(session):
        session.run(
            "UPDATE hcs_meta.member_group SET solo_uuid = @@server_uuid, group_name = %s, epoch = %s"
            " WHERE id = 1 AND epoch < %s",
            claim.group_name,
            claim.epoch,
            claim.epoch,
        )


def _at_rest(member: Instance, session: Session) -> None:
    group = facts.group(session)
    if group.state != "OFFLINE" or group.changing:
        raise Refused(f"{member.name} is {group.state}, not at rest; its data is left as it is")


def _apply_received(step: ApplyReceived, session: Session) -> None:
    """Before the choice of whose data is taken up, so that a damaged relay log shows."""
    _at_rest(step.member, session)
    session.run(f"START REPLICA SQL_THREAD FOR CHANNEL '{_APPLIER}'")
    waited = "SELECT WAIT_FOR_EXECUTED_GTID_SET(%s, %s) AS late"
    late = session.query(waited, str(step.received), APPLY_SECONDS)[0]["late"]
    row = session.one(_APPLYING, _APPLIER)
    _stop_applying(session)
    if late and row and not row["applying"]:
        raise Refused(f"what it received cannot be applied: {row['error'] or row['coordinating'] or 'it stopped'}")


def _stop_applying(session: Session) -> None:
    row = session.one(_APPLYING, _APPLIER)
    if row and row["applying"]:
        session.run(f"STOP REPLICA SQL_THREAD FOR CHANNEL '{_APPLIER}'")


def _close_group(step: CloseGroup, session: Session) -> None:
    """One statement, so that the view that it rests on is the one it is committed in."""
    session.run(
        "UPDATE hcs_meta.member_group SET solo_uuid = @@server_uuid WHERE id = 1"
        " AND (SELECT COUNT(*) FROM performance_schema.replication_group_members) = 1"
    )
    row = facts.member_group(session)
    if row is None or not row.solo:
        raise Refused(f"{step.leader.name} is not alone in its group")


def _clone(step: Clone, session: Session, opener: Opener) -> None:
    if step.recipient.role is Role.MEMBER:
        _at_rest(step.recipient, session)  # in a group it is the engine that closes and opens it
    if step.given_up:
        session.run("SET GLOBAL super_read_only = ON")  # nobody adds to what is given up
    own = _executed(session)
    if own != step.executed:
        raise Refused(f"{step.recipient.name} holds {own}, which is not what was looked at; it is not overwritten")
    with opener(step.donor) as donor:
        more = own - _executed(donor) - step.given_up
    if more:
        raise Refused(f"{step.recipient.name} holds {more}, which {step.donor.name} lacks; it is not overwritten")
    if step.recipient.role is Role.READER:
        session.run("STOP REPLICA")
    session.run("SET GLOBAL clone_valid_donor_list = %s", f"{step.donor.host}:{step.donor.port}")
    # A clone needs an open server. The copy starts closed by my.cnf; after a clone that failed, `Close` is planned.
    session.run("SET GLOBAL super_read_only = OFF")
    session.launch(
        "CLONE INSTANCE FROM %s@%s:%s IDENTIFIED BY %s REQUIRE SSL",
        step.replication.user,
        step.donor.host,
        step.donor.port,
        step.replication.password,
    )


def _follow(step: Follow, session: Session) -> None:
    session.run("STOP REPLICA")
    with opened(session):
        session.query("SELECT asynchronous_connection_failover_reset()")
        session.run("RESET REPLICA ALL FOR CHANNEL ''")
        source = (step.source.host, step.source.port)
        session.run(_CHANGE_SOURCE, *source, step.replication.user, step.replication.password)
        session.query(_MANAGE, step.group_name, *source)
        session.run("SET SESSION sql_log_bin = 0")
        session.run("REPLACE INTO hcs_meta.channel_owner (id, server_uuid) VALUES (1, @@server_uuid)")
    session.run("START REPLICA")


def _close(step: Close, session: Session) -> None:
    if facts.group(session).state == "ONLINE":
        raise Refused(f"{step.instance.name} is in the group, which opens and closes it")
    session.run("SET GLOBAL super_read_only = ON")


def _tune(step: Tune, session: Session) -> None:
    """One that is refused keeps no other from being set."""
    session.run("SET SESSION sql_mode = 'STRICT_ALL_TABLES'")  # else a value out of bounds is cut, and never that one
    refused = []
    for name, value in step.values:
        try:
            session.run(f"SET GLOBAL {name} = {value}")
        except Refused as refusal:
            refused.append(f"{name} = {value} ({refusal})")
    if refused:
        raise NotTaken(f"MySQL refuses {', '.join(refused)}; correct the key, or take it away")


def _executed(session: Session) -> GtidSet:
    row = session.one("SELECT @@GLOBAL.gtid_executed AS executed")
    return GtidSet.parse(row["executed"]) if row else GtidSet()
