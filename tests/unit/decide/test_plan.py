"""A whole look, decided: what must hold between the database's plan and the counts."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from tests.unit.build.stacks import IMAGES, stack
from tests.unit.database.views import CHANNEL, FOLLOWING, FOUNDED, NOW, PRIMARY, member, reader, view

from hcs_operator.api.database import TEMPLATE_HASH, Facts, Heartbeat
from hcs_operator.api.observed import CacheCounters, Child, Reason, Snapshot
from hcs_operator.decide.autoscaling.readers import ReaderState
from hcs_operator.decide.database.steps import Recreate, Resume
from hcs_operator.decide.plan import Memory, Plan, Release, Seen, decide

pytestmark = pytest.mark.unit

LAST = "shop-replica-0-1"
GOING = frozenset({LAST})
JOURNAL = {"operation": "DrainReader", "instance": LAST, "step": "", "startedAt": "2026-09-21T14:13:10Z"}
COUNTERS = (CacheCounters("read-api-0", 0, 0, NOW),)
# Its replication stands still, so its heartbeat ages: far beyond the lag brake by now.
STOPPED = replace(
    FOLLOWING,
    channel=replace(CHANNEL, receiving="OFF", applying=False),
    heartbeat=Heartbeat(NOW - 100, 0.5),
    busy_reads=1,
)
READS = Reason("MissTrafficFell", "2 -> 1: the numbers of then")


def misses(rate: float) -> ReaderState:
    """Four looks, spread over the two minutes of `scaleOut.sustain`."""
    window = tuple((NOW - age, rate) for age in (90, 60, 30, 0))
    return ReaderState(counters=COUNTERS, misses=rate, window=window, series_since=NOW - 90, current=2)


def statefulset(replicas: int, fingerprint: str = "") -> dict[str, Any]:
    """What is looked at of one that lives."""
    template = {"metadata": {"annotations": {TEMPLATE_HASH: fingerprint}}}
    return {"metadata": {}, "spec": {"replicas": replicas, "template": template}}


def look(
    memory: Memory, leaver: Facts = STOPPED, journal: Any = JOURNAL, spec: Any = None, count: int = 2, now: float = NOW
) -> Plan:
    live = {Child("StatefulSet", "shop-replica-0"): statefulset(count)}
    database = view(member(PRIMARY), reader(FOLLOWING, 0), reader(leaver, 1))
    seen = Snapshot("shops", "shop", now, live, pods=tuple(it.pod for it in database.instances), reads=COUNTERS)
    asked = replace(stack(spec), status={"database": FOUNDED, "journal": journal})
    return decide(asked, Seen(seen, database), memory, Release(IMAGES, "cluster.local", "hcs-system"))


def test_a_load_that_comes_back_keeps_the_reader_that_was_to_go() -> None:
    before = Memory(readers=misses(9000), leaving=GOING, leaving_why=READS)
    found = look(before)
    assert (found.readers_to, found.memory.leaving) == (4, frozenset())
    again = look(found.memory)
    assert [type(step) for step in again.database.steps] == [Resume]


def test_a_drain_goes_on_while_the_load_is_low() -> None:
    found = look(Memory(readers=misses(10), leaving=GOING, leaving_why=READS))
    assert (found.readers_to, found.memory.leaving, found.readers_why) == (None, GOING, READS)


def test_a_restarted_operator_goes_on_with_the_drain_that_the_journal_tells_of() -> None:
    found = look(Memory())
    assert (found.memory.leaving, found.database.steps) == (GOING, ())
    done = look(found.memory, leaver=replace(STOPPED, busy_reads=0))
    assert done.readers_to == 1
    assert done.readers_why is not None


def test_a_drain_that_was_given_up_is_not_begun_again_by_the_journal() -> None:
    found = look(Memory(leaving=frozenset()))
    assert found.memory.leaving == frozenset()


def off(replicas: int) -> dict[str, Any]:
    return {"autoscaling": {"mode": "Off"}, "readReplicas": {"replicas": replicas}}


def documented(found: Plan) -> int:
    (document,) = [
        it
        for it in found.volumes.documents
        if it["metadata"]["name"] == "shop-replica-0" and it["kind"] == "StatefulSet"
    ]
    return int(document["spec"]["replicas"])


def test_with_autoscaling_off_readers_too_many_go_drained_and_one_by_one() -> None:
    first = look(Memory(), leaver=FOLLOWING, journal=None, spec=off(1))
    assert (documented(first), first.memory.leaving) == (2, GOING)
    reading = look(first.memory, spec=off(1))
    assert documented(reading) == 2
    drained = look(reading.memory, leaver=replace(STOPPED, busy_reads=0), spec=off(1))
    assert (documented(drained), drained.readers_to) == (1, None)


def test_with_autoscaling_off_a_reader_asked_for_again_stays() -> None:
    found = look(Memory(leaving=GOING), leaver=replace(STOPPED, busy_reads=0), spec=off(2))
    assert (documented(found), found.memory.leaving) == (2, frozenset())


def test_with_autoscaling_off_missing_readers_come_at_once() -> None:
    assert documented(look(Memory(), leaver=FOLLOWING, journal=None, spec=off(5))) == 5


def test_a_reader_whose_pod_was_never_made_needs_no_drain() -> None:
    found = look(Memory(leaving=frozenset({"shop-replica-0-2"})), leaver=FOLLOWING, journal=None, spec=off(1), count=3)
    assert documented(found) == 2


def test_a_reader_that_the_count_no_longer_has_is_not_begun_again_while_its_pod_is_there() -> None:
    found = look(Memory(leaving=frozenset()), journal=None, count=1)
    assert [type(step) for step in found.database.steps] == []
    assert found.database.replication is None


def test_no_pod_is_made_anew_before_every_template_is_written() -> None:
    """The operator ended between the two: the members' is the new one, the readers' is not."""
    asked = replace(stack(), status={"database": FOUNDED})
    old = reader(FOLLOWING, annotations={TEMPLATE_HASH: "old"})
    database = view(member(PRIMARY, annotations={TEMPLATE_HASH: "old"}), old)
    release = Release(IMAGES, "cluster.local", "hcs-system")
    documents = decide(asked, Seen(Snapshot("shops", "shop", NOW, {}), database), Memory(), release).volumes.documents
    wanted = {Child("StatefulSet", it["metadata"]["name"]): it for it in documents if it["kind"] == "StatefulSet"}

    def steps(live: Mapping[Child, Any]) -> list[type]:
        found = decide(asked, Seen(Snapshot("shops", "shop", NOW, live), database), Memory(), release)
        return [type(step) for step in found.database.steps]

    assert steps(wanted) == [Recreate]
    assert steps({**wanted, Child("StatefulSet", "shop-replica-0"): statefulset(1, "old")}) == []


def test_a_paused_stack_drains_nobody() -> None:
    assert look(Memory(), leaver=FOLLOWING, journal=None, spec={**off(1), "paused": True}).memory.leaving == frozenset()


BROKERS, SETTINGS = Child("StatefulSet", "shop-queue"), Child("ConfigMap", "shop-queue")


def queue_settings(live: Mapping[Child, Any], replicas: int = 3) -> Mapping[str, str]:
    """What the operator writes into the brokers' ConfigMap, as `live` is."""
    found = decide(
        stack({"queue": {"replicas": replicas}}),
        Seen(Snapshot("shops", "shop", NOW, live), view(member(PRIMARY))),
        Memory(),
        Release(IMAGES, "cluster.local", "hcs-system"),
    )
    documents = {Child(it["kind"], it["metadata"]["name"]): it for it in found.volumes.documents}
    settings: Mapping[str, str] = documents[SETTINGS]["data"]
    return settings


def brokers(ready: int) -> Mapping[Child, Any]:
    return {BROKERS: {**statefulset(3), "status": {"readyReplicas": ready}}}


def test_brokers_are_told_that_they_have_formed_a_cluster_once_most_were_ready_and_for_good() -> None:
    assert "formed" not in queue_settings({})
    assert "formed" not in queue_settings(brokers(1))
    once = queue_settings(brokers(2))
    assert "formed" in once
    assert queue_settings({**brokers(0), SETTINGS: {"metadata": {}, "data": once}}) == once


def test_a_queue_of_one_is_told_of_no_cluster() -> None:
    assert "formed" not in queue_settings(brokers(1), replicas=1)
