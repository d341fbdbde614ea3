"""What an instance says about itself, in SQL: one session, a handful of queries on performance_schema."""

from typing import Any

from hcs_operator.api.database import Channel, CloneState, Facts, GroupState, Heartbeat, MemberGroup, Role, Variable
from hcs_operator.api.variables import DEFAULTS
from hcs_operator.mysql.errors import Denied, Refused
from hcs_operator.mysql.session import OPENED, Row, Session

_SERVER = """
SELECT @@server_uuid AS server_uuid, @@version AS version, @@GLOBAL.super_read_only AS super_read_only,
       IS_USED_LOCK(%s) IS NOT NULL AS opened,
       @@GLOBAL.gtid_executed AS gtid_executed, @@GLOBAL.gtid_purged AS gtid_purged,
       (SELECT COUNT(*) FROM performance_schema.processlist
         WHERE USER = 'hcs_read' AND COMMAND IN ('Query', 'Execute', 'Fetch')) AS busy_reads
"""

_GROUP = """
SELECT MEMBER_ID = @@server_uuid OR MEMBER_ID = '' AS own, MEMBER_STATE AS state, MEMBER_ROLE AS role
  FROM performance_schema.replication_group_members
"""

_CHANGING = """
SELECT COUNT(*) AS changing FROM performance_schema.processlist
 WHERE ID <> CONNECTION_ID() AND (INFO LIKE 'START GROUP_REPLICATION%' OR INFO LIKE 'STOP GROUP_REPLICATION%')
"""

_RECEIVED = """
SELECT RECEIVED_TRANSACTION_SET AS received
  FROM performance_schema.replication_connection_status WHERE CHANNEL_NAME = 'group_replication_applier'
"""

_APPLIER_QUEUE = """
SELECT COUNT_TRANSACTIONS_REMOTE_IN_APPLIER_QUEUE AS queued,
       IF(@@GLOBAL.group_replication_flow_control_mode = 'QUOTA',
          @@GLOBAL.group_replication_flow_control_applier_threshold, 0) AS bound
  FROM performance_schema.replication_group_member_stats WHERE MEMBER_ID = @@server_uuid
"""

_CHANNEL = """
SELECT configuration.HOST AS source, connection.SERVICE_STATE AS receiving,
       connection.LAST_ERROR_NUMBER AS receive_error, connection.LAST_ERROR_MESSAGE AS receive_message,
       applier.SERVICE_STATE AS applying,
       (SELECT GREATEST(COALESCE(MAX(LAST_ERROR_NUMBER), 0),
                        COALESCE((SELECT MAX(LAST_ERROR_NUMBER)
                                    FROM performance_schema.replication_applier_status_by_coordinator
                                   WHERE CHANNEL_NAME = ''), 0))
          FROM performance_schema.replication_applier_status_by_worker WHERE CHANNEL_NAME = '') AS apply_error,
       (SELECT MAX(LAST_ERROR_MESSAGE)
          FROM performance_schema.replication_applier_status_by_worker WHERE CHANNEL_NAME = '') AS apply_message,
       (SELECT MAX(TIMESTAMPDIFF(MICROSECOND, APPLYING_TRANSACTION_ORIGINAL_COMMIT_TIMESTAMP, NOW(6))) / 1e6
          FROM performance_schema.replication_applier_status_by_worker
         WHERE CHANNEL_NAME = '' AND APPLYING_TRANSACTION <> '') AS applying_seconds
  FROM performance_schema.replication_connection_configuration AS configuration
  JOIN performance_schema.replication_connection_status AS connection USING (CHANNEL_NAME)
  JOIN performance_schema.replication_applier_status AS applier USING (CHANNEL_NAME)
 WHERE CHANNEL_NAME = ''
"""

_MANAGED = """
SELECT MANAGED_NAME AS group_name
  FROM performance_schema.replication_asynchronous_connection_failover_managed
 WHERE CHANNEL_NAME = '' AND MANAGED_TYPE = 'GroupReplication'
"""

_OWNER = "SELECT server_uuid = @@server_uuid AS own FROM hcs_meta.channel_owner WHERE id = 1"

_MEMBER_GROUP = """
SELECT group_name, epoch, solo_uuid <=> @@server_uuid AS solo, solo_uuid IS NULL AS open
  FROM hcs_meta.member_group WHERE id = 1
"""

OPEN_GROUP = "UPDATE hcs_meta.member_group SET solo_uuid = NULL WHERE id = 1"
"""Makes `member_group` tell that others are let in; the agent does it, or the operator, whoever sees the need first."""

_HEARTBEAT = """
SELECT UNIX_TIMESTAMP(beat_at) AS at, TIMESTAMPDIFF(MICROSECOND, beat_at, UTC_TIMESTAMP(6)) / 1e6 AS age
  FROM hcs.heartbeat WHERE id = 1
"""

_CLONE = """
SELECT STATE AS state, ERROR_MESSAGE AS error,
       TIMESTAMPDIFF(MICROSECOND, END_TIME, NOW(3)) / 1e6 AS ended_seconds_ago
  FROM performance_schema.clone_status ORDER BY ID DESC LIMIT 1
"""

_VARIABLES = f"""
SELECT VARIABLE_NAME AS name, VARIABLE_VALUE AS value,
       VARIABLE_SOURCE = 'EXPLICIT' OR (VARIABLE_SOURCE = 'DYNAMIC' AND SET_USER <=> 'hcs_admin') AS ours
  FROM performance_schema.global_variables JOIN performance_schema.variables_info USING (VARIABLE_NAME)
 WHERE VARIABLE_NAME IN ({", ".join(f"'{name}'" for name in DEFAULTS)})
"""  # noqa: S608 - names of our own list
"""Told by name: a server of another version lacks some of them."""

_ABSENT = {1049, 1146}
"""Schema or table does not exist (yet)."""


def examine(session: Session, role: Role) -> Facts:
    """Gather the facts; raises DatabaseError. Times are the server's, whose time zone is UTC."""
    server = session.one(_SERVER, OPENED)
    if server is None:
        raise Refused("the server does not say who it is")
    reader = role is Role.READER
    queue = None if reader else session.one(_APPLIER_QUEUE)
    received = None if reader else session.one(_RECEIVED)
    return Facts(
        server_uuid=server["server_uuid"],
        version=server["version"],
        super_read_only=bool(server["super_read_only"]),
        opened=bool(server["opened"]),
        gtid_executed=server["gtid_executed"].replace("\n", ""),
        gtid_purged=server["gtid_purged"].replace("\n", ""),
        member_group=member_group(session),
        group=group(session),
        channel=_channel(session) if reader else None,
        heartbeat=_heartbeat(session),
        clone=_clone(session),
        busy_reads=server["busy_reads"],
        applier_queue=queue["queued"] if queue else 0,
        applier_bound=queue["bound"] if queue else 0,
        received=received["received"].replace("\n", "") if received else "",
        variables={row["name"]: Variable(row["value"], bool(row["ours"])) for row in session.query(_VARIABLES)},
    )


def member_group(session: Session) -> MemberGroup | None:
    """Return the group this data belongs to; None when none was founded or joined."""
    row = _optional(session, _MEMBER_GROUP)
    return MemberGroup(row["group_name"], row["epoch"], bool(row["solo"]), bool(row["open"])) if row else None


def group(session: Session) -> GroupState:
    """Return the group in the instance's own view; OFFLINE when it is in none."""
    members = session.query(_GROUP)
    own: Row = next((member for member in members if member["own"]), {"state": "OFFLINE", "role": ""})
    online = sum(member["state"] == "ONLINE" for member in members)
    changing = session.query(_CHANGING)[0]["changing"]
    return GroupState(own["state"] or "OFFLINE", own["role"] or "", online, len(members), changing=bool(changing))


def _channel(session: Session) -> Channel | None:
    row = session.one(_CHANNEL)
    if row is None or not row["source"]:
        return None
    managed, owner = session.one(_MANAGED), _optional(session, _OWNER)
    applying = row["applying"] == "ON"
    number, message = _channel_error(row, applying=applying)
    return Channel(
        source=row["source"],
        receiving=row["receiving"],
        applying=applying,
        managed_group=managed["group_name"] if managed else "",
        owned=bool(owner and owner["own"]),
        error_number=number,
        error=message,
        applying_seconds=float(row["applying_seconds"] or 0.0),
    )


def _channel_error(row: Row, *, applying: bool) -> tuple[int, str]:
    if not applying and row["apply_error"]:
        return row["apply_error"], row["apply_message"] or ""
    if row["receiving"] != "ON" and row["receive_error"]:
        return row["receive_error"], row["receive_message"] or ""
    return 0, ""


def _heartbeat(session: Session) -> Heartbeat | None:
    row = _optional(session, _HEARTBEAT)
    return Heartbeat(float(row["at"]), float(row["age"])) if row else None


def _clone(session: Session) -> CloneState | None:
    row = session.one(_CLONE)
    if row is None:
        return None
    ended: Any = row["ended_seconds_ago"]
    return CloneState(row["state"], row["error"] or "", None if ended is None else float(ended))


def _optional(session: Session, sql: str) -> Row | None:
    """Return the first row, or None where the table does not exist or is not ours to read yet."""
    try:
        return session.one(sql)
    except Denied:
        return None
    except Refused as refusal:
        if refusal.number in _ABSENT | {1142}:
            return None
        raise
