"""Carries out the agent's acts as root over the socket; returns what is to be remembered."""

from dataclasses import replace

from hcs_operator.agent import accounts, look
from hcs_operator.agent.accounts import REPLICATION
from hcs_operator.agent.decide import (
    Act,
    Bootstrap,
    CloseBootstrap,
    Discard,
    ExpelAfter,
    Join,
    Leave,
    OpenGroup,
    ReloadTls,
    RenewChannel,
    Rotate,
    Settle,
    SetUp,
    Wait,
)
from hcs_operator.agent.peers import turn_to_join
from hcs_operator.agent.seen import EXPELS_LATER, NEVER, Local, Memory
from hcs_operator.agent.settings import Settings
from hcs_operator.api.database import Role
from hcs_operator.mysql import facts
from hcs_operator.mysql.errors import Refused
from hcs_operator.mysql.session import Session, opened, over_socket

START_SECONDS = 150.0
"""START GROUP_REPLICATION gives up by itself after a minute; a STOP can take as long."""

STUCK_SECONDS = 60.0
"""A mysqld that runs for longer and cannot bootstrap is ended; the kubelet starts it again. A fresh one is let try."""

_NO_COMMUNICATION = 3096
"""After a STOP without a majority the engine's communication layer is of no use until its process ends."""

_EXPEL_AFTER = "SET GLOBAL group_replication_member_expel_timeout = %s"

_UPTIME = """
SELECT CAST(VARIABLE_VALUE AS UNSIGNED) AS seconds
  FROM performance_schema.global_status WHERE VARIABLE_NAME = 'Uptime'
"""

_RECOVERY = (
    "CHANGE REPLICATION SOURCE TO SOURCE_USER = %s, SOURCE_PASSWORD = %s FOR CHANNEL 'group_replication_recovery'"
)


def act(done: Act, local: Local, memory: Memory, settings: Settings) -> Memory:
    """Do it; raises DatabaseError. An act that failed is decided anew at the next look."""
    if isinstance(done, Join):
        with turn_to_join(settings, done.leader) as had:
            if not had:
                return replace(memory, tried=NEVER)  # it has tried nothing
            _join(done, settings)
    elif not isinstance(done, Wait | Settle):
        with over_socket(str(settings.socket), statement_seconds=START_SECONDS) as session:
            _accounts(done, session, settings)
            _group(done, session, settings)
    match done:
        case SetUp() | Rotate() | Settle():
            return replace(memory, settled=local.now)
        case ReloadTls():
            return replace(memory, loaded_certificate=local.certificate)
        case _:
            return memory


def _accounts(done: Act, session: Session, settings: Settings) -> None:
    match done:
        case SetUp(denied):
            _set_up(session, settings, denied)
        case Rotate(denied):
            _rotate(session, settings, denied)
        case Discard(users):
            for sql, args in accounts.discard(users):
                session.run(sql, *args)
        case RenewChannel():
            _renew_channel(session, settings)
        case ReloadTls():
            session.run("ALTER INSTANCE RELOAD TLS")


def _group(done: Act, session: Session, settings: Settings) -> None:
    match done:
        case Bootstrap(group_name):
            _bootstrap(session, settings, group_name)
        case ExpelAfter(seconds):
            session.run(_EXPEL_AFTER, seconds)
        case Leave():
            session.run("STOP GROUP_REPLICATION")
        case CloseBootstrap():
            session.run("SET GLOBAL group_replication_bootstrap_group = OFF")
        case OpenGroup():
            session.run(facts.OPEN_GROUP)


def _join(done: Join, settings: Settings) -> None:
    with over_socket(str(settings.socket), statement_seconds=START_SECONDS) as session:
        session.run("SET GLOBAL group_replication_group_name = %s", done.group_name)
        session.run("SET GLOBAL group_replication_group_seeds = %s", ",".join(done.seeds))
        session.run(_EXPEL_AFTER, EXPELS_LATER)
        session.run("START GROUP_REPLICATION")


def _set_up(session: Session, settings: Settings, denied: frozenset[str]) -> None:
    passwords = look.passwords(settings)
    limit = session.query("SELECT @@GLOBAL.max_connections AS connections")[0]["connections"]
    session.run("SET SESSION sql_log_bin = 0")
    with opened(session):
        for sql, args in accounts.set_up(passwords, denied, limit):
            session.run(sql, *args)
        if settings.role is Role.MEMBER:
            session.run(_RECOVERY, REPLICATION, passwords[REPLICATION])


def _rotate(session: Session, settings: Settings, denied: frozenset[str]) -> None:
    passwords = look.passwords(settings)
    for sql, args in accounts.rotate(passwords, denied):
        session.run(sql, *args)


def _renew_channel(session: Session, settings: Settings) -> None:
    password = look.passwords(settings)[REPLICATION]
    if settings.role is Role.MEMBER:
        session.run(_RECOVERY, REPLICATION, password)  # taken while ONLINE, and by a closed server
        return
    session.run("STOP REPLICA IO_THREAD FOR CHANNEL ''")
    with opened(session):
        session.run("CHANGE REPLICATION SOURCE TO SOURCE_PASSWORD = %s FOR CHANNEL ''", password)
    session.run("START REPLICA IO_THREAD FOR CHANNEL ''")


def _bootstrap(session: Session, settings: Settings, group_name: str) -> None:
    """Take up the group of one. bootstrap_group is on for this one START, never persisted, and off whatever happens."""
    session.run("SET GLOBAL group_replication_group_name = %s", group_name)
    session.run("SET GLOBAL group_replication_bootstrap_group = ON")
    try:
        session.run("START GROUP_REPLICATION")
    except Refused as refusal:
        row = session.one(_UPTIME)
        if refusal.number == _NO_COMMUNICATION and row and row["seconds"] > STUCK_SECONDS:
            session.run("SHUTDOWN")
        raise
    finally:
        with over_socket(str(settings.socket)) as fresh:
            fresh.run("SET GLOBAL group_replication_bootstrap_group = OFF")
