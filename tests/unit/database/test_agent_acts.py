"""What the agent says to its mysqld, in which session and in which order."""

from __future__ import annotations

import signal
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.unit.database.played_sessions import PlayedServer
from tests.unit.database.test_agent import GROUP, IN_MANY, MEMBER, PASSWORDS, SETTLED

from hcs_operator.agent import __main__ as program
from hcs_operator.agent import act as acts
from hcs_operator.agent import peers
from hcs_operator.agent.accounts import ACCOUNTS, REPLICATION
from hcs_operator.agent.decide import Act, Bootstrap, Discard, Join, Leave, RenewChannel, Rotate, SetUp, begun, decide
from hcs_operator.agent.settings import Settings
from hcs_operator.api.database import Role
from hcs_operator.mysql.errors import Refused, Unreachable
from hcs_operator.mysql.session import OPENED, Row

pytestmark = pytest.mark.unit

ANSWERS: dict[str, list[Row]] = {"max_connections": [{"connections": 400}], "GET_LOCK": [{"locked": 1}]}
NAME, ON, START, OFF = (
    f"SET GLOBAL group_replication_group_name = <{GROUP}>",
    "SET GLOBAL group_replication_bootstrap_group = ON",
    "START GROUP_REPLICATION",
    "SET GLOBAL group_replication_bootstrap_group = OFF",
)
OPEN, CLOSE = "SET GLOBAL super_read_only = OFF", "SET GLOBAL super_read_only = ON"
RELEASE = f"SELECT RELEASE_LOCK('{OPENED}')"
RECOVERY = (
    f"CHANGE REPLICATION SOURCE TO SOURCE_USER = <{REPLICATION}>, SOURCE_PASSWORD = <{PASSWORDS[REPLICATION]}>"
    " FOR CHANNEL 'group_replication_recovery'"
)
EVERYONE = frozenset(PASSWORDS)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> PlayedServer:
    played = PlayedServer(ANSWERS)
    monkeypatch.setattr(acts, "over_socket", played.session)
    return played


@pytest.fixture(autouse=True)
def leader(monkeypatch: pytest.MonkeyPatch) -> PlayedServer:
    """It gives the turn to join."""
    played = PlayedServer({"GET_LOCK": [{"had": 1}]})
    monkeypatch.setattr(peers, "over_tls", played.session)
    return played


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "ca.crt").write_text("the authority")
    for account in ACCOUNTS:
        (tmp_path / account.password_file).write_text(PASSWORDS[account.user])
    named = {"POD_NAME": "shop-db-0-0", "POD_IP": "10.0.0.1", "POD_FQDN": "shop-db-0-0.shop-db-0"}
    return Settings.model_validate(
        {"HCS_ROLE": "member", "HCS_STACK": "shop", "HCS_DATABASE_CREDENTIALS": tmp_path, "HCS_TLS": tmp_path, **named}
    )


def done(act: Act, settings: Settings, server: PlayedServer) -> list[str]:
    acts.act(act, MEMBER, SETTLED, settings)
    return server.statements


def test_a_bootstrap_is_on_for_one_start_and_taken_back_in_a_session_of_its_own(
    settings: Settings, server: PlayedServer
) -> None:
    assert done(Bootstrap(GROUP), settings, server) == [NAME, ON, START, OFF]
    first, *_, last = [number for number, _ in server.said]
    assert first != last


@pytest.mark.parametrize("failure", [Refused("no", 3096), Unreachable("timed out"), SystemExit(0)])
def test_a_bootstrap_is_taken_back_however_its_start_ends(
    settings: Settings, server: PlayedServer, failure: BaseException
) -> None:
    server.fails = {START: failure}
    with pytest.raises(type(failure)):
        done(Bootstrap(GROUP), settings, server)
    assert server.statements[-1] == OFF


def test_an_agent_that_is_told_to_end_goes_through_what_it_has_to_take_back(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    handlers: list[Any] = []
    monkeypatch.setattr(program, "Settings", lambda: settings)
    monkeypatch.setattr(program, "serve", lambda *_: None)
    monkeypatch.setattr(program, "_configure_logging", lambda _: None)
    monkeypatch.setattr(program, "Loop", lambda *_: SimpleNamespace(run=lambda _: None))
    monkeypatch.setattr(signal, "signal", lambda number, handler: handlers.append((number, handler)))
    assert program.main([]) == 0
    ((number, handler),) = handlers
    assert number == signal.SIGTERM
    with pytest.raises(SystemExit):
        handler(number, None)


def test_a_member_joins_by_one_start_that_founds_nothing(settings: Settings, server: PlayedServer) -> None:
    seeds = "SET GLOBAL group_replication_group_seeds = <b:3306,c:3306>"
    expels = "SET GLOBAL group_replication_member_expel_timeout = <5>"
    assert done(Join(GROUP, ("b:3306", "c:3306"), "10.0.0.2"), settings, server) == [NAME, seeds, expels, START]


def test_a_member_whose_turn_it_is_not_joins_nobody_and_may_try_again_at_once(
    settings: Settings, server: PlayedServer, leader: PlayedServer
) -> None:
    leader.answers = {"GET_LOCK": [{"had": 0}]}
    join, memory = Join(GROUP, ("b:3306",), "10.0.0.2"), SETTLED
    memory = acts.act(join, MEMBER, begun(join, MEMBER, memory), settings)
    assert server.statements == []
    assert decide(replace(MEMBER, **IN_MANY), memory) == join


def test_a_member_leaves_by_one_stop(settings: Settings, server: PlayedServer) -> None:
    assert done(Leave(), settings, server) == ["STOP GROUP_REPLICATION"]


@pytest.mark.parametrize("act", [Leave(), Join(GROUP, ("b:3306",), "10.0.0.2"), Bootstrap(GROUP)])
def test_a_stop_or_start_that_blocks_for_a_minute_is_waited_for(
    settings: Settings, server: PlayedServer, act: Act
) -> None:
    done(act, settings, server)
    assert server.patience[0] >= 120


def test_accounts_are_set_up_outside_the_binary_log_while_the_server_is_open_for_that_alone(
    settings: Settings, server: PlayedServer
) -> None:
    unlogged, opened, *statements, recovery, closed, released = done(SetUp(EVERYONE), settings, server)
    assert (unlogged, opened) == ("SET SESSION sql_log_bin = 0", OPEN)
    assert (recovery, closed, released) == (RECOVERY, CLOSE, RELEASE)
    assert any("hcs_meta.member_group" in sql for sql in statements)
    assert not [sql for sql in statements if "sql_log_bin" in sql or "super_read_only" in sql]


def test_a_reader_has_no_recovery_channel(settings: Settings, server: PlayedServer) -> None:
    settings = settings.model_copy(update={"role": Role.READER})
    assert RECOVERY not in done(SetUp(EVERYONE), settings, server)


def test_new_passwords_are_replicated_beside_the_old_ones(settings: Settings, server: PlayedServer) -> None:
    assert done(Rotate(EVERYONE), settings, server) == [
        f"ALTER USER '{account.user}'@'%' IDENTIFIED BY <{PASSWORDS[account.user]}> RETAIN CURRENT PASSWORD"
        for account in ACCOUNTS
    ]


def test_a_member_is_given_the_new_password_to_join_with_while_it_is_in_the_group(
    settings: Settings, server: PlayedServer
) -> None:
    assert done(RenewChannel(), settings, server) == [RECOVERY]


def test_only_accounts_whose_password_changed_get_one(settings: Settings, server: PlayedServer) -> None:
    (change,) = done(Rotate(frozenset({"hcs_app"})), settings, server)
    assert change.startswith("ALTER USER 'hcs_app'@'%'")


def test_a_readers_channel_is_renewed_without_its_applier_being_stopped(
    settings: Settings, server: PlayedServer
) -> None:
    settings = settings.model_copy(update={"role": Role.READER})
    assert done(RenewChannel(), settings, server) == [
        "STOP REPLICA IO_THREAD FOR CHANNEL ''",
        OPEN,
        f"CHANGE REPLICATION SOURCE TO SOURCE_PASSWORD = <{PASSWORDS[REPLICATION]}> FOR CHANNEL ''",
        CLOSE,
        RELEASE,
        "START REPLICA IO_THREAD FOR CHANNEL ''",
    ]


def test_old_passwords_end_by_discarding_them_alone(settings: Settings, server: PlayedServer) -> None:
    statements = done(Discard(frozenset({"hcs_read", "hcs_app"})), settings, server)
    assert statements == [f"ALTER USER '{user}'@'%' DISCARD OLD PASSWORD" for user in ("hcs_app", "hcs_read")]
