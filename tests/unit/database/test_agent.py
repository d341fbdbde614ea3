"""What the agent does next, from what it sees: a table of its decisions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hcs_operator.agent.accounts import ACCOUNTS, ADMIN, connection_limit, rotate, set_up
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
    decide,
)
from hcs_operator.agent.seen import Local, Memory, Others, Started
from hcs_operator.api.database import GroupState, MemberGroup, Role

pytestmark = pytest.mark.unit

RUN = Started("run-1", "files-1")
SETTLED = Memory(RUN, "certificate-1")
GROUP = "0b9c4d3e-1f2a-5b6c-8d7e-9f0a1b2c3d4e"
OFFLINE, ERROR = GroupState("OFFLINE", "", 0, 1), GroupState("ERROR", "", 0, 1)
LEADS, FOLLOWS = GroupState("ONLINE", "PRIMARY", 1, 1), GroupState("ONLINE", "SECONDARY", 3, 3)
SOLO, ONE_OF_MANY = MemberGroup(GROUP, 1, solo=True), MemberGroup(GROUP, 1, solo=False)
APP = frozenset({"hcs_app"})
MANY = Others(("b:3306",), GROUP, admits=True, leader="10.0.0.2")
IN_MANY: dict[str, Any] = {"member_group": ONE_OF_MANY, "others": MANY}

MEMBER = Local(
    role=Role.MEMBER,
    now=RUN,
    group=OFFLINE,
    member_group=SOLO,
    bootstrap_flag=False,
    cloning=False,
    stopping=False,
    named=True,
    others=Others(),
    clock=1000.0,
    certificate="certificate-1",
)
READER = replace(MEMBER, role=Role.READER, replicating=True)


@pytest.mark.parametrize(
    ("changes", "memory", "expected"),
    [
        pytest.param({}, SETTLED, Bootstrap(GROUP), id="a group of one takes itself up"),
        pytest.param({}, replace(SETTLED, settled=Started()), SetUp(frozenset()), id="accounts come before the group"),
        pytest.param({"denied": APP}, replace(SETTLED, settled=Started()), SetUp(APP), id="passwords are set offline"),
        pytest.param({"member_group": None}, SETTLED, Wait, id="nothing was founded here"),
        pytest.param(
            {"others": MANY},
            SETTLED,
            Join(GROUP, ("b:3306",), "10.0.0.2"),
            id="alone by its row, but others run the group",
        ),
        pytest.param({"member_group": ONE_OF_MANY}, SETTLED, Wait, id="one of many never bootstraps"),
        pytest.param(IN_MANY, SETTLED, Join(GROUP, ("b:3306",), "10.0.0.2"), id="it joins"),
        pytest.param(IN_MANY, replace(SETTLED, tried=995.0), Wait, id="not again at once"),
        pytest.param(
            IN_MANY | {"others": replace(MANY, admits=False)}, SETTLED, Wait, id="one may still bootstrap alone"
        ),
        pytest.param(
            IN_MANY | {"others": replace(MANY, settled=False)}, SETTLED, Wait, id="its fall is not noticed yet"
        ),
        pytest.param(IN_MANY | {"others": replace(MANY, joining=True)}, SETTLED, Wait, id="one after the other"),
        pytest.param(IN_MANY | {"others": replace(MANY, leader="")}, SETTLED, Wait, id="nobody gives it the turn"),
        pytest.param(IN_MANY | {"others": replace(MANY, group_name="x")}, SETTLED, Wait, id="another group"),
        pytest.param(IN_MANY | {"group": ERROR}, SETTLED, Leave(), id="in ERROR beside a majority it leaves"),
        pytest.param(
            IN_MANY | {"group": ERROR, "expel_timeout": 5},
            replace(SETTLED, tried=995.0),
            Wait,
            id="and not again at once",
        ),
        pytest.param({"group": replace(LEADS, total=2, online=2)}, SETTLED, OpenGroup(), id="it is not alone"),
        pytest.param({"stopping": True}, SETTLED, Wait, id="a pod that stops stays out of the group"),
        pytest.param({"named": False}, SETTLED, Wait, id="the name does not resolve yet"),
        pytest.param({"group": replace(OFFLINE, changing=True)}, SETTLED, Wait, id="a START is being executed"),
        pytest.param({"bootstrap_flag": True}, SETTLED, CloseBootstrap(), id="a forgotten flag is taken back"),
        pytest.param({"bootstrap_flag": True, "group": LEADS}, SETTLED, CloseBootstrap(), id="online too"),
        pytest.param({"group": ERROR}, SETTLED, Leave(), id="a group of one in ERROR starts over"),
        pytest.param(
            {"group": ERROR, "member_group": ONE_OF_MANY, "expel_timeout": 5},
            SETTLED,
            Wait,
            id="one of many in ERROR waits",
        ),
        pytest.param(
            {"group": ERROR, "member_group": ONE_OF_MANY},
            SETTLED,
            ExpelAfter(5),
            id="who may be back any moment expels nobody at once",
        ),
        pytest.param(
            {"group": GroupState("RECOVERING", "", 2, 3), "expel_timeout": 5}, SETTLED, Wait, id="nor does a newcomer"
        ),
        pytest.param({"group": FOLLOWS, "expel_timeout": 5}, SETTLED, ExpelAfter(0), id="who is online expels at once"),
        pytest.param({"group": GroupState("RECOVERING", "", 2, 3)}, SETTLED, Wait, id="it recovers"),
        pytest.param({"group": LEADS}, SETTLED, Wait, id="at rest"),
        pytest.param({"group": LEADS}, Memory(Started(), "certificate-1"), Settle(), id="a restarted agent"),
        pytest.param(
            {"group": LEADS, "denied": APP}, Memory(RUN, "certificate-1"), Wait, id="asked only when unsettled"
        ),
        pytest.param(
            {"group": LEADS, "denied": APP}, Memory(Started("run-1", "old"), "certificate-1"), Rotate(APP), id="rotated"
        ),
        pytest.param(
            {"group": FOLLOWS, "denied": APP},
            Memory(Started("run-1", "old"), "certificate-1"),
            Wait,
            id="by the primary",
        ),
        pytest.param({"group": LEADS, "old_passwords": APP}, SETTLED, Discard(APP), id="the old password ends"),
        pytest.param({"group": FOLLOWS, "old_passwords": APP}, SETTLED, Wait, id="only on the primary"),
        pytest.param(
            {"group": FOLLOWS, "channel_password_current": False},
            SETTLED,
            RenewChannel(),
            id="it joins with the new one",
        ),
        pytest.param(
            {"group": FOLLOWS, "channel_password_current": False, "denied": APP},
            Memory(Started("run-1", "old"), "certificate-1"),
            Wait,
            id="not before that has come by replication",
        ),
        pytest.param(
            {"group": LEADS, "channel_password_current": False, "old_passwords": APP},
            SETTLED,
            RenewChannel(),
            id="the primary too, and before the old password ends",
        ),
        pytest.param({"certificate": "renewed"}, SETTLED, ReloadTls(), id="a renewed certificate is loaded"),
        pytest.param({"cloning": True, "certificate": "renewed"}, SETTLED, Wait, id="a clone is left alone"),
    ],
)
def test_a_members_agent(changes: dict[str, Any], memory: Memory, expected: Act | type[Act]) -> None:
    found = decide(replace(MEMBER, **changes), memory)
    assert isinstance(found, Wait) if expected is Wait else found == expected


@pytest.mark.parametrize(
    ("changes", "memory", "expected"),
    [
        pytest.param({}, SETTLED, Wait, id="at rest"),
        pytest.param({"replicating": False}, SETTLED, Wait, id="a stopped channel is the operator's"),
        pytest.param({"denied": APP, "replicating": False}, Memory(Started(), "certificate-1"), SetUp(APP), id="new"),
        pytest.param({"denied": APP}, Memory(Started("run-1", "old"), "certificate-1"), Wait, id="by replication"),
        pytest.param({}, Memory(Started("run-1", "old"), "certificate-1"), Settle(), id="it has come by replication"),
        pytest.param(
            {}, Memory(Started("run-0", "files-1"), "certificate-1"), SetUp(frozenset()), id="mysqld restarted"
        ),
        pytest.param({"channel_password_current": False}, SETTLED, RenewChannel(), id="the channel's password"),
        pytest.param({"certificate": "renewed"}, SETTLED, ReloadTls(), id="a renewed certificate is loaded"),
        pytest.param({"cloning": True, "denied": APP}, Memory(), Wait, id="a clone is left alone"),
    ],
)
def test_a_readers_agent(changes: dict[str, Any], memory: Memory, expected: Act | type[Act]) -> None:
    found = decide(replace(READER, **changes), memory)
    assert isinstance(found, Wait) if expected is Wait else found == expected


states = st.sampled_from(["ONLINE", "RECOVERING", "OFFLINE", "ERROR", "UNREACHABLE"])
groups = st.builds(
    GroupState,
    states,
    st.sampled_from(["PRIMARY", "SECONDARY", ""]),
    st.integers(0, 7),
    st.integers(0, 7),
    st.booleans(),
)
rows = st.none() | st.builds(MemberGroup, st.just(GROUP), st.integers(1, 3), st.booleans(), st.booleans())
users = st.frozensets(st.sampled_from([account.user for account in ACCOUNTS]))
starts = st.builds(Started, st.sampled_from(["run-1", "run-2"]), st.sampled_from(["files-1", "files-2"]))
others = st.sampled_from([Others(), MANY, replace(MANY, admits=False), replace(MANY, group_name="another")])
locals_ = st.builds(
    Local,
    role=st.sampled_from(Role),
    now=starts,
    group=groups,
    member_group=rows,
    bootstrap_flag=st.booleans(),
    cloning=st.booleans(),
    stopping=st.booleans(),
    named=st.booleans(),
    others=others,
    clock=st.floats(0, 100),
    certificate=st.sampled_from(["certificate-1", "certificate-2"]),
    denied=users,
    old_passwords=users,
    replicating=st.booleans(),
    channel_password_current=st.booleans(),
)
memories = st.builds(Memory, starts, st.sampled_from(["certificate-1", "certificate-2"]))


@given(locals_, memories)
def test_nothing_but_an_offline_member_that_says_it_is_alone_is_ever_bootstrapped(local: Local, memory: Memory) -> None:
    if isinstance(decide(local, memory), Bootstrap):
        assert local.role is Role.MEMBER
        assert local.group.state == "OFFLINE"
        assert local.member_group is not None
        assert local.member_group.solo
        assert not local.group.changing
        assert not local.others.seeds
        assert not local.stopping
        assert not local.bootstrap_flag
        assert local.named


@given(locals_, memories)
def test_nobody_joins_a_group_of_which_one_may_still_bootstrap_alone(local: Local, memory: Memory) -> None:
    if isinstance(decide(local, memory), Join):
        assert local.others.admits
        assert local.member_group is not None
        assert local.others.group_name == local.member_group.group_name


@given(locals_, memories)
def test_a_reader_is_never_made_part_of_a_group(local: Local, memory: Memory) -> None:
    if local.role is Role.READER:
        assert not isinstance(decide(local, memory), Bootstrap | Join | Leave | Rotate | Discard)


@given(locals_, memories)
def test_passwords_are_replicated_from_the_primary_alone(local: Local, memory: Memory) -> None:
    if isinstance(decide(local, memory), Rotate | Discard):
        assert local.group.leads


PASSWORDS = {account.user: f"password of {account.user}" for account in ACCOUNTS}


def test_the_operators_account_is_set_up_and_rotated_last() -> None:
    everyone = frozenset(PASSWORDS)
    assert ADMIN in list(set_up(PASSWORDS, everyone, 400))[-1][0]
    assert ADMIN in list(rotate(PASSWORDS, everyone))[-1][0]


def test_no_password_stands_in_a_statement() -> None:
    statements = [*set_up(PASSWORDS, frozenset(PASSWORDS), 400), *rotate(PASSWORDS, frozenset(PASSWORDS))]
    assert not [sql for sql, _ in statements if "password of" in sql]


@given(st.integers(40, 100_000))
def test_the_services_accounts_leave_connections_to_the_database_itself(max_connections: int) -> None:
    limits = {account.user: connection_limit(account, max_connections) for account in ACCOUNTS}
    services = [limits[user] for user in ("hcs_app", "hcs_read", "hcs_migrate")]
    assert all(limit > 0 for limit in services)
    assert sum(services) <= max_connections - 30
    assert limits["hcs_admin"] == limits["hcs_repl"] == 0
