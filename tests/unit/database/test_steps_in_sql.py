"""What a step's own session looks at before it acts, so that one from an old look does no harm to what is there by now."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
from tests.unit.database.views import GROUP, REPLICATION, view_of

from hcs_operator.api.database import Role
from hcs_operator.decide.database.gtid import GtidSet
from hcs_operator.decide.database.steps import Claim, Clone, Close, Export, Found, SqlStep
from hcs_operator.mysql.errors import Refused
from hcs_operator.mysql.session import Row, Session
from hcs_operator.mysql.steps import perform

pytestmark = pytest.mark.unit

MEMBER, DONOR = (view_of(None, Role.MEMBER, ordinal).instance for ordinal in (1, 0))
CLAIM = Claim("shop", "shop", "uid", MEMBER.name, 1, GROUP, (MEMBER.name,))
OWN = GtidSet.parse(f"{GROUP}:1-3")


class Played(Session):
    """A mysqld that says what it is told to, and whose changes are listed."""

    def __init__(self, *, state: str = "OFFLINE", executed: str = "", uuid: str = "uuid") -> None:
        self.state, self.executed, self.uuid = state, executed, uuid
        self.done: list[str] = []

    def query(self, sql: str, *args: object) -> list[Row]:
        if "replication_group_members" in sql:
            return [{"own": True, "state": self.state, "role": "PRIMARY"}]
        if "processlist" in sql:
            return [{"changing": 0}]
        if "server_uuid AS uuid" in sql:
            return [{"uuid": self.uuid}]
        return [{"executed": self.executed}] if "gtid_executed" in sql else []

    def run(self, sql: str, *args: object) -> None:
        self.done.append(sql.split("(", maxsplit=1)[0].strip())

    def launch(self, sql: str, *args: object) -> None:
        self.done.append(sql.split(" FROM", maxsplit=1)[0])


def carried_out(step: SqlStep, session: Played, donor: str = f"{GROUP}:1-9") -> list[str]:
    perform(step, session, lambda _: nullcontext(Played(executed=donor)))
    return session.done


def test_a_group_is_founded_on_the_volume_that_was_looked_at_and_on_no_other() -> None:
    step = Found(CLAIM, MEMBER, "uuid")
    assert carried_out(step, Played())[-1] == "INSERT INTO hcs_meta.member_group"
    late = Played(uuid="another")
    with pytest.raises(Refused, match="another volume"):
        carried_out(step, late)
    assert late.done == []


@pytest.mark.parametrize(
    ("session", "why"),
    [
        pytest.param(Played(executed=f"{GROUP}:1-3"), "not what was looked at", id="it is a copy by now"),
        pytest.param(Played(state="ONLINE"), "not at rest", id="it is in the group by now"),
    ],
)
def test_nobody_is_cloned_over_who_is_something_else_by_now(session: Played, why: str) -> None:
    step = Clone(MEMBER, GtidSet(), DONOR, REPLICATION)
    assert carried_out(step, Played())[-1] == "CLONE INSTANCE"
    with pytest.raises(Refused, match=why):
        carried_out(step, session)
    assert session.done == []


def test_a_rebuilding_closes_nobody_who_leads_by_now() -> None:
    export = Export("shop", "shop", MEMBER, OWN, "2026-01-31T12:00:00Z", REPLICATION)
    leads = Played(state="ONLINE", executed=str(OWN))
    with pytest.raises(Refused, match="not at rest"):
        carried_out(Clone(MEMBER, OWN, DONOR, REPLICATION, export), leads)
    assert leads.done == []


def test_a_server_is_closed_unless_it_is_in_the_group_by_now() -> None:
    assert carried_out(Close(MEMBER), Played()) == ["SET GLOBAL super_read_only = ON"]
    leads = Played(state="ONLINE")
    with pytest.raises(Refused, match="in the group"):
        carried_out(Close(MEMBER), leads)
    assert leads.done == []
