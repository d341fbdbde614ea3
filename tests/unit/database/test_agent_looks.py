"""Whom the agent believes: of its peers one that is ONLINE in a majority, of its own name the look-up."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.unit.database.played_sessions import PlayedServer

from hcs_operator.agent import look, peers
from hcs_operator.agent.accounts import ACCOUNTS
from hcs_operator.agent.seen import OLD_PASSWORD_SECONDS, Memory, Others
from hcs_operator.agent.settings import Settings
from hcs_operator.api.database import Instance, Role
from hcs_operator.mysql.errors import Unreachable
from hcs_operator.mysql.session import Row, Session

pytestmark = pytest.mark.unit

OWN = "shop-db-0-0.shop-db-0"
ROW = {"group_name": "group", "epoch": 1, "solo": 0, "open": 1}
KUBELET_SECONDS = 120
"""In which a changed Secret reaches every pod, at most."""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    for name in ("ca.crt", "tls.crt", *(account.password_file for account in ACCOUNTS)):
        (tmp_path / name).write_text("mounted")
    folders = {"HCS_DATABASE_CREDENTIALS": tmp_path, "HCS_TLS": tmp_path, "HCS_MYSQL_SOCKET": tmp_path / "socket"}
    named = {"POD_NAME": "shop-db-0-0", "POD_IP": "10.0.0.1", "POD_FQDN": OWN}
    return Settings.model_validate({"HCS_ROLE": "member", "HCS_STACK": "shop", **named, **folders})


def resolves(monkeypatch: pytest.MonkeyPatch, **addresses: str) -> None:
    """Names (dots as underscores) and their addresses."""

    def found(name: str, *_: object, **__: object) -> list[tuple[Any, ...]]:
        if name.replace(".", "_").replace("-", "_") not in addresses:
            raise OSError("no such name")
        return [("", "", "", "", (it, 0)) for it in addresses[name.replace(".", "_").replace("-", "_")].split()]

    monkeypatch.setattr(socket, "getaddrinfo", found)


def seen(*states: str, own: int = 0, primary: int = 0) -> list[Row]:
    """The group in the view of its member `own`."""
    return [
        {
            "own": number == own,
            "host": f"host-{number}",
            "port": 3306,
            "online": state == "ONLINE",
            "lost": state == "UNREACHABLE",
            "leads": number == primary,
        }
        for number, state in enumerate(states)
    ]


def told(monkeypatch: pytest.MonkeyPatch, settings: Settings, view: list[Row] | None) -> Others:
    """What the agent knows of the others, of whom one answers with this view, or does not answer."""
    resolves(monkeypatch, shop_db_0="10.0.0.1 10.0.0.2")

    @contextmanager
    def answers(peer: Instance) -> Iterator[Session]:
        assert peer.address == "10.0.0.2"
        if view is None:
            raise Unreachable("no answer")
        with PlayedServer({"replication_group_members": view, "hcs_meta.member_group": [ROW]}).session() as session:
            yield session

    monkeypatch.setattr(peers, "over_tls", answers)
    return peers.others(settings)


def test_a_peer_that_is_online_in_a_majority_speaks_for_the_group(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    found = told(monkeypatch, settings, seen("ONLINE", "ONLINE"))
    assert found == Others(("host-0:3306", "host-1:3306"), "group", admits=True, settled=True, leader="10.0.0.2")


def test_a_peer_that_does_not_lead_gives_no_turn_to_join(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    found = told(monkeypatch, settings, seen("ONLINE", "ONLINE", primary=1))
    assert (len(found.seeds), found.leader) == (2, "")


@pytest.mark.parametrize(
    "view",
    [
        pytest.param(None, id="it does not answer"),
        pytest.param([], id="it is in no group"),
        pytest.param(seen("ONLINE", "UNREACHABLE"), id="half is no majority"),
        pytest.param(seen("ONLINE", "UNREACHABLE", "UNREACHABLE"), id="it was cut off"),
        pytest.param(seen("RECOVERING", "ONLINE", "ONLINE"), id="it is not ONLINE itself"),
        pytest.param(seen("ERROR"), id="it fell out"),
    ],
)
def test_any_other_word_is_none(monkeypatch: pytest.MonkeyPatch, settings: Settings, view: list[Row] | None) -> None:
    assert told(monkeypatch, settings, view) == Others()


@pytest.mark.parametrize(
    "view",
    [
        pytest.param(seen("ONLINE", "ONLINE", "UNREACHABLE"), id="somebody's fall"),
        pytest.param(
            [*seen("ONLINE", "ONLINE"), {**seen("ONLINE")[0], "own": False, "host": OWN}], id="its own last run"
        ),
    ],
)
def test_a_group_that_still_counts_who_fell_is_not_settled(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, view: list[Row]
) -> None:
    found = told(monkeypatch, settings, view)
    assert found.seeds
    assert not found.settled


@pytest.mark.parametrize(
    ("addresses", "named"), [("10.0.0.1", True), ("10.0.0.9 10.0.0.1", True), ("10.0.0.9", False), ("", False)]
)
def test_a_member_knows_its_name_once_it_leads_to_its_own_address(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, addresses: str, named: bool
) -> None:
    resolves(monkeypatch, **({"shop_db_0_0_shop_db_0": addresses} if addresses else {}))
    assert look._named(settings) is named


OWN_VIEW: list[Row] = [{"own": 1, "state": "ONLINE", "role": "PRIMARY"}]


def looked_at(monkeypatch: pytest.MonkeyPatch, role: Role, channel: str) -> PlayedServer:
    """A server that leads, and whose channel has the password `channel`; none where that is empty."""
    stored: list[Row] = [{"replicating": 1, "password": channel}] if channel else []
    told_of = "'group_replication_recovery'" if role is Role.MEMBER else "source.User_password"
    answers: dict[str, list[Row]] = {
        "bootstrap_flag": [{"bootstrap_flag": 0, "expel_timeout": 0, "cloning": 0}],
        "AS role": OWN_VIEW,
        told_of: stored,
    }
    played = PlayedServer({**answers, "processlist": [{"changing": 0}], "hcs_meta.member_group": [ROW]})
    monkeypatch.setattr(look, "over_socket", played.session)
    return played


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize(("stored", "current"), [("mounted", True), ("an older one", False), ("", True)])
def test_a_channel_is_held_against_the_mounted_password(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, role: Role, stored: str, current: bool
) -> None:
    looked_at(monkeypatch, role, stored)
    settings = settings.model_copy(update={"role": role})
    assert look.look(settings, Memory()).channel_password_current is current


def test_an_old_password_is_left_until_every_pod_has_the_new_one(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    played = looked_at(monkeypatch, Role.MEMBER, "mounted")
    look.look(settings, Memory())
    (asked,) = [sql for sql in played.statements if "additional_password" in sql]
    assert asked.endswith(f"INTERVAL <{OLD_PASSWORD_SECONDS}> SECOND")
    assert OLD_PASSWORD_SECONDS >= 2 * KUBELET_SECONDS
