"""One look's silence changes nothing; the second one, a second later, is believed."""

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.build.stacks import IMAGES, stack
from tests.unit.database.views import (
    FOLLOWING,
    FOUNDED,
    GROUP,
    LEADING,
    PRIMARY,
    WITH_GROUP,
    member,
    reader,
    view,
)
from tests.unit.status.seen import NOW, failed, outlook, passed, snapshot

from hcs_operator.api.database import READ_LABEL, ROLE_LABEL, DatabaseView, GroupState
from hcs_operator.api.observed import Reason, Selftest, Snapshot
from hcs_operator.decide.database.plan import plan
from hcs_operator.decide.doubt import SETTLED, Answers, Steadied, steadied
from hcs_operator.decide.plan import Memory, Release, Seen, decide, doubt
from hcs_operator.runtime.reconcile import MOVING
from hcs_operator.status.facts import Facts
from hcs_operator.status.render import judged

pytestmark = pytest.mark.unit

WELL = view(member(PRIMARY), reader(FOLLOWING))
SILENT = Reason("TimedOut", "no answer within 3 s")
HANGS = view(member(None, silence=SILENT), reader(FOLLOWING))
TESTS = {name: (passed(name),) for name in ("write-api", "async-api")}
CACHED = Selftest("shop-read-api-x", ok=True, reason=Reason("Ok", "ok"), data={"cache_keys": 10.0})


def well(**changes: Any) -> Snapshot:
    return snapshot(selftests={**TESTS, "read-api": (CACHED,)}, **changes)


def looked(*looks: tuple[float, Snapshot, DatabaseView]) -> list[Steadied]:
    """Each look at its time (seconds from the first), one after another."""
    answers, found = Answers(), []
    for at, seen, database in looks:
        found.append(steadied(replace(seen, now=NOW + at), database, answers))
        answers = found[-1].answers
    return found


UNWELL = {
    "a selftest fails": replace(well(), selftests={**well().selftests, "write-api": (failed("write-api"),)}),
    "the broker is slow": well(queue=SILENT),
    "the cache is not seen": replace(well(), selftests={**TESTS, "read-api": (replace(CACHED, data={}),)}),
}


@pytest.mark.parametrize("unwell", UNWELL.values(), ids=UNWELL.keys())
def test_the_first_silence_is_taken_for_what_was_answered_before_and_the_second_is_believed(unwell: Snapshot) -> None:
    first, doubted, soon, again = looked((0, well(), WELL), (5, unwell, WELL), (5.1, unwell, WELL), (6, unwell, WELL))
    told = [judged(Facts(stack(), outlook(it.snapshot))) for it in (first, doubted, soon, again)]
    assert told[0] == told[1] == told[2]
    assert told[3] != told[0]
    assert doubted.answers.doubted
    assert not again.answers.doubted


def test_what_goes_on_failing_is_not_doubted_again() -> None:
    unwell = UNWELL["a selftest fails"]
    *_, last = looked(*((float(at), unwell if at else well(), WELL) for at in range(6)))
    assert not last.snapshot.selftests["write-api"][0].ok
    assert not last.answers.doubted


def test_what_answers_again_has_never_been_away() -> None:
    *_, last = looked((0, well(), WELL), (5, UNWELL["a selftest fails"], HANGS), (6, well(), WELL))
    assert last.answers.doubted == {}
    assert (last.snapshot.selftests, last.database) == (well().selftests, WELL)


def test_what_never_answered_and_pods_that_are_gone_are_not_doubted() -> None:
    (alone,) = looked((0, UNWELL["a selftest fails"], HANGS))
    assert not alone.snapshot.selftests["write-api"][0].ok
    _, gone = looked((0, well(), WELL), (5, replace(well(), selftests={}, queue=None), view()))
    assert (gone.snapshot.selftests, gone.snapshot.queue, gone.database) == ({}, None, view())


def test_a_primary_that_is_slow_once_is_still_the_primary_and_nothing_is_done_meanwhile() -> None:
    _, doubted, again = looked((0, well(), WELL), (5, well(), HANGS), (8, well(), HANGS))
    assert [it.facts for it in doubted.database.instances] == [PRIMARY, FOLLOWING]
    assert again.database == HANGS


def test_instances_are_only_compared_as_they_were_at_the_same_time() -> None:
    ahead = replace(FOLLOWING, gtid_executed=f"{GROUP}:1-11")
    hangs = view(member(None, silence=SILENT), reader(ahead))
    _, doubted = looked((0, well(), WELL), (5, well(), hangs))
    assert plan(doubted.database, previous=FOUNDED, journal=None, now=NOW).problem is None


def test_a_pod_that_is_not_ready_or_is_another_one_is_not_doubted() -> None:
    for other in (member(None, ready=False), member(None, uid="another")):
        _, found = looked((0, well(), WELL), (5, well(), view(other, reader(FOLLOWING))))
        assert found.database.instances[0].facts is None


def test_when_another_member_leads_the_silent_ones_last_word_is_out_of_date() -> None:
    second = replace(WITH_GROUP, group=GroupState("ONLINE", "SECONDARY", 2, 2))
    leads = replace(PRIMARY, group=LEADING)
    before, after = view(member(PRIMARY), member(second, 1)), view(member(None), member(leads, 1))
    _, found = looked((0, well(), before), (5, well(), after))
    assert found.database == after


def test_no_step_is_taken_while_the_database_is_doubted() -> None:
    shop, release = stack(), Release(IMAGES, "cluster.local", "hcs-system")
    shop = replace(shop, status={"database": FOUNDED})
    stopped = replace(FOLLOWING, super_read_only=False)
    open_reader = view(member(PRIMARY), reader(stopped))
    seen, memory = doubt(Seen(well(), open_reader), Memory())
    assert decide(shop, seen, memory, release).database.steps
    hangs = view(member(None), reader(stopped))
    seen, memory = doubt(Seen(replace(well(), now=NOW + 5), hangs), memory)
    found = decide(shop, seen, memory, release)
    assert (found.database.steps, found.database.primary_ready) == ((), True)


def test_the_next_look_is_late_enough_to_be_believed() -> None:
    assert SETTLED < MOVING


def test_a_silent_instance_with_a_ready_pod_keeps_its_labels() -> None:
    kept = {ROLE_LABEL: "primary", READ_LABEL: None}
    eligible = {ROLE_LABEL: None, READ_LABEL: "eligible"}
    seen = view(
        member(None, labels={ROLE_LABEL: "primary"}), reader(None, labels={READ_LABEL: "eligible"}), reader(None, 1)
    )
    found = plan(seen, previous=FOUNDED, journal=None, now=NOW)
    assert found.labels["shop-db-0-0"] == kept
    assert found.labels["shop-replica-0-0"] == eligible
    assert found.labels["shop-replica-0-1"] == {ROLE_LABEL: None, READ_LABEL: None}


def test_a_silent_instance_loses_its_labels_with_its_readiness_to_a_new_primary_or_when_it_leaves() -> None:
    was = {ROLE_LABEL: "primary", READ_LABEL: "eligible"}
    none = {ROLE_LABEL: None, READ_LABEL: None}
    down = plan(view(member(None, labels=was, ready=False)), previous=FOUNDED, journal=None, now=NOW)
    assert down.labels["shop-db-0-0"] == none
    other = plan(view(member(None, labels=was), member(PRIMARY, 1)), previous=FOUNDED, journal=None, now=NOW)
    assert other.labels["shop-db-0-0"][ROLE_LABEL] is None
    leaving = plan(
        view(member(PRIMARY), reader(None, labels=was)),
        previous=FOUNDED,
        journal=None,
        now=NOW,
        leaving=frozenset({"shop-replica-0-0"}),
    )
    assert leaving.labels["shop-replica-0-0"][READ_LABEL] is None
