"""Settings that a running server takes: who is told which, when nobody is, and what becomes of a refusal."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.build.stacks import built
from tests.unit.build.test_documents import template_hash
from tests.unit.database.played_sessions import PlayedServer
from tests.unit.database.views import FOLLOWING, FOUNDED, NOW, PRIMARY, member, reader, view
from tests.unit.status.made import ROOT

from hcs_operator.api.database import TEMPLATE_HASH, CloneState, Facts, InstanceView, Role, Variable
from hcs_operator.api.observed import Child
from hcs_operator.api.spec_engines import RESERVED_CONFIG, RESERVED_PREFIXES
from hcs_operator.api.variables import DEFAULTS, canonical, needing_restart, set_at_run_time
from hcs_operator.decide.database.plan import plan
from hcs_operator.decide.database.steps import Recreate, Tune, failing
from hcs_operator.decide.database.tuning import differing, tunings
from hcs_operator.mysql.errors import NotTaken, Refused, Unreachable
from hcs_operator.mysql.steps import perform
from hcs_operator.observe.database import _starts

pytestmark = pytest.mark.unit

SLOW = "long_query_time"
OLD: dict[str, Any] = {"annotations": {TEMPLATE_HASH: "old"}}


def has(facts: Facts, **values: Variable) -> Facts:
    return replace(facts, variables=values)


def started(facts: Facts = PRIMARY) -> Facts:
    return has(facts, long_query_time=Variable("10.000000", ours=False))


def told(*instances: InstanceView, starts: dict[str, str]) -> dict[str, tuple[tuple[str, str], ...]]:
    found = tunings(view(*instances, starts=dict.fromkeys(Role, starts)))
    return {it.instance.name: it.values for it in found}


def test_members_and_readers_are_told_what_their_next_start_would_give_them() -> None:
    found = told(member(started()), reader(started(FOLLOWING)), starts={SLOW: "0.500000"})
    assert found == dict.fromkeys(["shop-db-0-0", "shop-replica-0-0"], ((SLOW, "0.500000"),))


def test_a_server_that_has_the_value_is_told_nothing() -> None:
    facts = has(PRIMARY, long_query_time=Variable("0.500000", ours=True))
    assert told(member(facts), starts={SLOW: "0.500000"}) == {}


def test_a_key_that_was_taken_away_goes_back_to_what_a_start_without_it_gives() -> None:
    facts = has(PRIMARY, long_query_time=Variable("0.500000", ours=True))
    assert told(member(facts), starts={}) == {"shop-db-0-0": ((SLOW, "10.000000"),)}


def test_what_somebody_has_set_by_hand_stays_unless_my_cnf_has_that_key() -> None:
    facts = has(PRIMARY, long_query_time=Variable("0.500000", ours=False))
    assert told(member(facts), starts={}) == {}
    assert told(member(facts), starts={SLOW: "2.000000"}) == {"shop-db-0-0": ((SLOW, "2.000000"),)}


@pytest.mark.parametrize("ours", [True, False])
def test_a_value_that_mysqld_reads_and_we_do_not_stays(ours: bool) -> None:
    starts = set_at_run_time(f"{SLOW}=.5")
    assert differing({SLOW: Variable("0.500000", ours=ours)}, starts) == {}


@pytest.mark.parametrize(
    "nobody",
    [
        member(started(), **OLD),
        member(started(), deleting=True),
        member(None),
        member(replace(started(), clone=CloneState("In Progress", "", None))),
    ],
    ids=["its restart brings it", "its pod goes", "silent", "a copy is being received"],
)
def test_nobody_is_told_who_has_it_from_its_next_start_anyway(nobody: InstanceView) -> None:
    assert told(nobody, starts={SLOW: "0.500000"}) == {}


def test_nobody_is_told_while_it_is_not_known_which_template_is_current() -> None:
    assert tunings(view(member(started()), starts={Role.MEMBER: {SLOW: "0.500000"}}, revisions={})) == ()


def test_a_refused_setting_holds_no_restart_up() -> None:
    looked = view(
        member(started()), reader(started(FOLLOWING), **OLD), starts={role: {SLOW: "0.500000"} for role in Role}
    )
    steps = plan(looked, previous=FOUNDED, journal=None, now=NOW).steps
    assert [type(step) for step in steps] == [Recreate, Tune]


variables = st.dictionaries(
    st.sampled_from(sorted(DEFAULTS)),
    st.builds(Variable, st.sampled_from(["0", "1", "ON", "OFF", "10.000000", "16384"]), st.booleans()),
)
configs = st.dictionaries(st.sampled_from(sorted(DEFAULTS)), st.sampled_from(["1", "0", "16K", "on", "0.5", "x", ""]))


@given(variables, configs)
def test_once_told_a_server_is_told_nothing_more(running: dict[str, Variable], config: dict[str, str]) -> None:
    starts = set_at_run_time("\n".join(f"{name}={value}" for name, value in config.items()))
    values = differing(running, starts)
    after = running | {name: Variable(value, ours=True) for name, value in values.items()}
    assert differing(after, starts) == {}
    assert all(running[name].ours or name in starts for name in values)


@given(configs)
def test_every_key_needs_a_restart_or_is_set_at_run_time_and_none_is_both(config: dict[str, str]) -> None:
    read = set_at_run_time("\n".join(f"{name}={value}" for name, value in config.items()))
    running = {name for name, value in read.items() if value is not None}
    assert running | needing_restart(config).keys() == set(config)
    assert not running & needing_restart(config).keys()


@given(st.sampled_from(sorted(DEFAULTS)), st.text("0123456789KMGkmgONFontruefals.-", max_size=24))
def test_a_value_that_the_server_would_show_is_its_own_canonical_form(name: str, text: str) -> None:
    once = canonical(name, text)
    assert once is None or canonical(name, once) == once


@pytest.mark.parametrize(
    ("name", "text", "shown"),
    [
        ("max_allowed_packet", "16M", "16777216"),
        ("max_allowed_packet", "1g", "1073741824"),
        ("max_allowed_packet", "99999999999999999999", None),
        ("max_allowed_packet", "16MB", None),
        ("slow_query_log", "true", "ON"),
        ("slow_query_log", "0", "OFF"),
        ("slow_query_log", "yes", None),
        (SLOW, "2", "2.000000"),
        (SLOW, "-1", None),
        ("max_connections", "500", None),
        ("innodb_buffer_pool_size", "1G", None),
    ],
)
def test_values_are_read_as_mysqld_reads_them(name: str, text: str, shown: str | None) -> None:
    assert canonical(name, text) == shown


def test_each_default_is_written_as_a_server_shows_it() -> None:
    assert {name: canonical(name, value) for name, value in DEFAULTS.items()} == DEFAULTS


def test_a_setting_that_needs_no_restart_leaves_the_template_as_it_is_and_a_mixed_change_does_not() -> None:
    without = template_hash({})
    assert template_hash({"database": {"config": {SLOW: "1"}}}) == without
    mixed = template_hash({"database": {"config": {SLOW: "1", "back_log": "200"}}})
    assert mixed == template_hash({"database": {"config": {"back_log": "200"}}}) != without
    assert template_hash({"database": {"config": {SLOW: "one"}}}) != without, "mysqld would not start with it"


def test_what_a_start_reads_is_what_lies_in_the_cluster() -> None:
    documents = built({"database": {"config": {SLOW: "1", "back_log": "200", "max_allowed_packet": "16M"}}})
    live = {Child("ConfigMap", f"shop-{it}-0"): documents[f"ConfigMap/shop-{it}-0"] for it in ("db", "replica")}
    own = {SLOW: "1.000000", "max_allowed_packet": "16777216", "innodb_redo_log_capacity": "134217728"}
    assert _starts("shop", live) == dict.fromkeys(Role, own)


def test_no_such_setting_is_one_that_the_spec_may_not_have() -> None:
    assert not [name for name in DEFAULTS if any(it.startswith(name) for it in RESERVED_CONFIG)]
    assert not [name for name in DEFAULTS if name.startswith(RESERVED_PREFIXES)]


def test_the_documents_name_each_of_them() -> None:
    text = (ROOT / "docs/concepts.md").read_text().partition("*Settings without a restart*")[2].partition("\n\n")[0]
    assert {name for name in DEFAULTS if f"`{name}`" not in text} == set()


def test_one_refused_value_keeps_no_other_from_being_set() -> None:
    answer = Refused("error 1231: Variable 'max_allowed_packet' can't be set to the value of '1000'", 1231)
    server = PlayedServer(fails={"SET GLOBAL max_allowed_packet": answer})
    step = Tune(member(PRIMARY).instance, (("max_allowed_packet", "1000"), ("slow_query_log", "ON")))
    with server.session() as session, pytest.raises(NotTaken) as refusal:
        perform(step, session, server.session)
    assert server.statements == [
        "SET SESSION sql_mode = 'STRICT_ALL_TABLES'",
        "SET GLOBAL max_allowed_packet = 1000",
        "SET GLOBAL slow_query_log = ON",
    ]
    told = failing(step, refusal.value.word, str(refusal.value))
    assert told.word == "SettingRefused"
    assert told.message == (
        "shop-db-0-0 cannot be given the settings of spec.database.config: MySQL refuses max_allowed_packet = 1000 "
        "(error 1231: Variable 'max_allowed_packet' can't be set to the value of '1000'); correct the key, or take it away"
    )


def test_a_lost_connection_is_no_refusal() -> None:
    server = PlayedServer(fails={"SET GLOBAL": Unreachable("lost")})
    with server.session() as session, pytest.raises(Unreachable):
        perform(Tune(member(PRIMARY).instance, (("slow_query_log", "ON"),)), session, server.session)
