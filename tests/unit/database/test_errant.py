"""Transactions that one instance alone has: exported, then given up for a new copy; or the instance is kept out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.database.views import (
    CHANNEL,
    CLAIM,
    FOLLOWING,
    GROUP,
    NOW,
    OFFLINE,
    OTHER_GROUP,
    PRIMARY,
    WITH_GROUP,
    member,
    reader,
    view,
)

from hcs_operator.api.database import (
    READ_LABEL,
    CloneState,
    DatabaseView,
    Exported,
    Facts,
    GroupState,
    InstanceView,
    MemberGroup,
)
from hcs_operator.decide.database.errant import Saved
from hcs_operator.decide.database.gtid import GtidSet
from hcs_operator.decide.database.outcome import DatabasePlan
from hcs_operator.decide.database.plan import plan
from hcs_operator.decide.database.steps import Clone, Close, Export, Quiesce, failing
from hcs_operator.mysql.errors import NotExported

pytestmark = pytest.mark.unit

NAMES = [f"shop-db-0-{ordinal}" for ordinal in range(3)]
READER = "shop-replica-0-0"
OPEN = MemberGroup(GROUP, 1, solo=False, open=True)
LEADS = replace(PRIMARY, member_group=OPEN, group=GroupState("ONLINE", "PRIMARY", 2, 2))
SECOND = replace(WITH_GROUP, member_group=OPEN, group=GroupState("ONLINE", "SECONDARY", 2, 2))
OWN = f"{OTHER_GROUP}:1-2"
STRAYED = replace(WITH_GROUP, member_group=OPEN, gtid_executed=f"{GROUP}:1-8,{OWN}")
STOPPED = replace(CHANNEL, receiving="OFF", applying=False)
READER_STRAYED = replace(FOLLOWING, gtid_executed=f"{GROUP}:1-8,{OWN}", channel=STOPPED)
AT = "2026-09-21T14:13:20Z"
MEMBERS_EXPORT = Exported("shop-errant-shop-db-0-2-1a2b3c4d", NAMES[2], OWN, AT)
READERS_EXPORT = Exported("shop-errant-shop-replica-0-0-1a2b3c4d", READER, OWN, AT)
SAVED_IN = MEMBERS_EXPORT.config_map


def planned(
    strayed: Facts | None = STRAYED, *others: InstanceView, exports: tuple[Exported, ...] = (), **options: Any
) -> DatabasePlan:
    """A group of three of which the third diverged."""
    claim = {**CLAIM, "members": NAMES}
    previous = {"claim": claim, "bootstrapped": True, **options.pop("previous", {})}
    instances = (member(LEADS), member(SECOND, 1), member(strayed, 2), *others)
    seen = view(*instances, members_wanted=3, exports=exports, **options)
    return plan(seen, previous=previous, journal=None, now=NOW)


def with_reader(facts: Facts, **options: Any) -> DatabasePlan:
    return planned(SECOND, reader(facts), **options)


def state(made: DatabasePlan, name: str = NAMES[2]) -> dict[str, Any]:
    (found,) = [it for it in made.status["instances"] if it["name"] == name]
    return dict(found)


def before(config_map: str, name: str = NAMES[2]) -> dict[str, Any]:
    return {"instances": [{"name": name, "export": config_map}]}


def test_a_member_with_transactions_of_its_own_is_exported_before_anything_else() -> None:
    made = planned()
    (step,) = made.steps
    assert isinstance(step, Export)
    assert (step.instance.name, str(step.errant), step.at) == (NAMES[2], OWN, AT)
    assert made.problem is None
    assert made.journal
    assert made.journal["operation"] == "CloneMember"


def test_it_is_cloned_from_a_secondary_once_that_very_set_is_saved() -> None:
    (step,) = planned(exports=(MEMBERS_EXPORT,)).steps
    assert isinstance(step, Clone)
    assert (step.recipient.name, step.donor.name, str(step.given_up)) == (NAMES[2], NAMES[1], OWN)


def test_an_export_of_fewer_transactions_or_of_another_instance_does_not_do() -> None:
    fewer = replace(MEMBERS_EXPORT, errant=f"{OTHER_GROUP}:1")
    (step,) = planned(exports=(fewer, READERS_EXPORT)).steps
    assert isinstance(step, Export)


@pytest.mark.parametrize(("ended", "expected"), [(0.5, Export), (0.5, Clone), (None, Clone)])
def test_an_export_from_before_the_last_copy_is_of_other_transactions(ended: float | None, expected: type) -> None:
    state = "Completed" if ended else "Failed"
    copied = replace(STRAYED, clone=CloneState(state, "", ended or 60.0))
    now = replace(MEMBERS_EXPORT, at="2026-09-21T14:13:17Z" if expected is Export else AT)
    assert [type(step) for step in planned(copied, exports=(now,)).steps] == [expected]


def test_of_several_exports_the_newest_counts() -> None:
    older = replace(MEMBERS_EXPORT, config_map="older", at="2026-09-21T14:00:00Z")
    made = planned(exports=(MEMBERS_EXPORT, older))
    assert state(made)["export"] == SAVED_IN


@pytest.mark.parametrize("exports", [(), (MEMBERS_EXPORT,)])
def test_quarantine_names_a_member_and_changes_nothing_in_it(exports: tuple[Exported, ...]) -> None:
    made = planned(exports=exports, errant="Quarantine")
    assert made.steps == ()
    assert made.problem
    assert made.problem.word == "MemberDiverged"
    assert OWN in made.problem.message
    assert "Rebuild" in made.problem.message


def test_a_member_that_somebody_left_open_is_closed_first() -> None:
    (step,) = planned(replace(STRAYED, super_read_only=False), exports=(MEMBERS_EXPORT,)).steps
    assert isinstance(step, Close)
    assert step.instance.name == NAMES[2]


@pytest.mark.parametrize("group", [GroupState("ERROR", "", 0, 1), GroupState("OFFLINE", "", 0, 1, changing=True)])
def test_a_member_that_is_joining_or_leaving_is_not_cloned_over(group: GroupState) -> None:
    assert planned(replace(STRAYED, group=group), exports=(MEMBERS_EXPORT,)).steps == ()
    (step,) = planned(replace(STRAYED, group=group)).steps
    assert isinstance(step, Export)


def test_writes_that_the_group_has_lost_are_saved_and_left_to_a_person() -> None:
    lost = replace(STRAYED, gtid_executed=f"{GROUP}:1-99")
    (step,) = planned(lost).steps
    assert isinstance(step, Export)
    made = planned(lost, exports=(replace(MEMBERS_EXPORT, errant=str(step.errant)),))
    assert made.steps == ()
    assert made.problem
    assert made.problem.word == "MemberDiverged"
    assert SAVED_IN in made.problem.message


@pytest.mark.parametrize("policy", ["Rebuild", "Quarantine"])
def test_nobody_reads_from_a_reader_that_diverged(policy: str) -> None:
    eligible = {"instances": [{"name": READER, "readEligible": True}]}
    made = with_reader(replace(READER_STRAYED, channel=CHANNEL), previous=eligible, errant=policy)
    (step,) = made.steps
    assert isinstance(step, Quiesce)
    assert made.labels[READER][READ_LABEL] is None
    assert (state(made, READER)["readEligible"], state(made, READER)["state"]) == (False, "Diverged")
    assert made.readers_ready == 0


def test_a_reader_is_exported_and_then_cloned() -> None:
    (first,) = with_reader(READER_STRAYED).steps
    assert isinstance(first, Export)
    (then,) = with_reader(READER_STRAYED, exports=(READERS_EXPORT,)).steps
    assert isinstance(then, Clone)
    assert (then.recipient.name, str(then.given_up)) == (READER, OWN)


def test_quarantine_keeps_a_reader_out() -> None:
    made = with_reader(READER_STRAYED, exports=(READERS_EXPORT,), errant="Quarantine")
    assert made.steps == ()
    assert made.problem
    assert made.problem.word == "ReaderDiverged"
    assert made.readers_ready == 0


def test_of_an_empty_member_and_a_diverged_one_one_is_copied_at_a_time() -> None:
    steps = planned(STRAYED, reader(READER_STRAYED), exports=(MEMBERS_EXPORT, READERS_EXPORT)).steps
    assert [step.recipient.name for step in steps if isinstance(step, Clone)] == [NAMES[2]]


def test_what_was_saved_is_told_once() -> None:
    made = planned(exports=(MEMBERS_EXPORT,))
    assert made.saved == (Saved(NAMES[2], SAVED_IN, rebuilt=False),)
    assert state(made)["export"] == SAVED_IN
    assert planned(exports=(MEMBERS_EXPORT,), previous=before(SAVED_IN)).saved == ()


@pytest.mark.parametrize("facts", [None, replace(WITH_GROUP, clone=CloneState("In Progress", "", None))])
def test_what_was_saved_stays_known_while_the_instance_is_cloned(facts: Facts | None) -> None:
    made = planned(facts, exports=(MEMBERS_EXPORT,), previous=before(SAVED_IN))
    assert made.saved == ()
    assert state(made)["export"] == SAVED_IN


def test_who_comes_back_without_them_was_rebuilt() -> None:
    made = planned(SECOND, exports=(MEMBERS_EXPORT,), previous=before(SAVED_IN))
    assert made.saved == (Saved(NAMES[2], SAVED_IN, rebuilt=True),)
    assert "export" not in state(made)


def test_who_gets_more_of_its_own_was_not_rebuilt() -> None:
    more = replace(STRAYED, gtid_executed=f"{GROUP}:1-8,{OTHER_GROUP}:1-3")
    made = planned(more, exports=(MEMBERS_EXPORT,), previous=before(SAVED_IN))
    assert made.saved == ()
    assert [type(step) for step in made.steps] == [Export]


def test_an_export_that_cannot_be_made_is_told_with_what_to_do_by_hand() -> None:
    (step,) = planned().steps
    told = failing(step, NotExported.word, "they are more than 750 KiB gzipped")
    assert told.word == "ErrantNotExported"
    assert told.message.startswith(f"{NAMES[2]} keeps transactions of its own and is not rebuilt: they are more than")
    assert "mysqlbinlog" in told.message


sets = st.sampled_from([
    f"{GROUP}:1-10", f"{GROUP}:1-8", f"{GROUP}:1-12", f"{GROUP}:1-10,{OTHER_GROUP}:1-2", f"{GROUP}:1-8,{OTHER_GROUP}:1-3",
    f"{GROUP}:1-12,{OTHER_GROUP}:2", "",
])  # fmt: skip
rows = st.sampled_from([OPEN, None])
states = st.sampled_from([GroupState("OFFLINE", "", 0, 1), SECOND.group, GroupState("ERROR", "", 0, 1)])
channels = st.sampled_from([None, CHANNEL, STOPPED, replace(STOPPED, error_number=13114)])
strays = st.builds(
    lambda executed, row, group, channel, closed: replace(
        FOLLOWING, gtid_executed=executed, member_group=row, group=group, channel=channel, super_read_only=closed
    ),
    sets,
    rows,
    states,
    channels,
    st.booleans(),
)


@st.composite
def looks(draw: st.DrawFn) -> DatabaseView:
    """A look at a group that somebody leads, and at readers, of which some diverged and some were exported."""
    others = [member(replace(draw(strays), channel=None), ordinal) for ordinal in (1, 2)]
    readers = [reader(replace(draw(strays), group=OFFLINE), ordinal) for ordinal in range(draw(st.integers(0, 2)))]
    strayed = {it.instance.name: errant_of(it.facts.gtid_executed) for it in (*others, *readers) if it.facts}
    kept = draw(st.sets(st.sampled_from(sorted(strayed))))
    other = draw(st.tuples(st.sampled_from([*NAMES, READER]), sets.map(errant_of)))
    saved = [*((name, strayed[name]) for name in kept), other]
    exports = tuple(Exported("x", name, str(errant), AT) for name, errant in saved)
    policy = draw(st.sampled_from(["Rebuild", "Rebuild", "Quarantine"]))
    return view(member(LEADS), *others, *readers, members_wanted=3, exports=exports, errant=policy)


def errant_of(executed: str) -> GtidSet:
    return GtidSet.parse(executed) - GtidSet.parse(LEADS.gtid_executed)


@settings(max_examples=500)
@given(looks())
def test_no_clone_gives_up_a_transaction_that_is_not_exported(seen: DatabaseView) -> None:
    made = plan(seen, previous={"claim": {**CLAIM, "members": NAMES}, "bootstrapped": True}, journal=None, now=NOW)
    by_name = {it.instance.name: it.facts for it in seen.instances}
    for step in made.steps:
        if not isinstance(step, Clone):
            continue
        recipient, donor = by_name[step.recipient.name], by_name[step.donor.name]
        assert recipient
        assert donor
        assert errant_of(recipient.gtid_executed) == step.given_up
        if step.export:
            assert seen.errant == "Rebuild"
            kept = {(it.instance, it.errant) for it in seen.exports}
            assert (step.recipient.name, str(step.given_up)) in kept
            assert step.export.instance == step.recipient
            assert not any(uuid == GROUP for uuid, _ in step.given_up.intervals), "acknowledged writes"
            assert recipient.group.state == "OFFLINE"


@settings(max_examples=300)
@given(looks())
def test_no_reader_that_diverged_is_read_from(seen: DatabaseView) -> None:
    made = plan(seen, previous={"claim": {**CLAIM, "members": NAMES}, "bootstrapped": True}, journal=None, now=NOW)
    for it in seen.instances:
        if it.instance.name.startswith("shop-replica") and it.facts and errant_of(it.facts.gtid_executed):
            assert made.labels[it.instance.name][READ_LABEL] is None
