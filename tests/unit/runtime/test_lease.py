"""One process leads; another takes over only when the holder has let go or stood still for long enough."""

import asyncio

import pytest

from hcs_operator.kube.errors import Unavailable
from hcs_operator.kube.fake import Cluster
from hcs_operator.kube.port import Ref
from hcs_operator.runtime import lease
from hcs_operator.runtime.lease import DURATION, Election, LeaseLost

pytestmark = pytest.mark.unit
REF = Ref("Lease", "hcs-system", "hcs-operator")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Time that passes by sleeping: the election's own sleeps move it."""
    found, real = Clock(), asyncio.sleep

    async def sleep(seconds: float) -> None:
        found.now += seconds
        await real(0)

    monkeypatch.setattr("hcs_operator.runtime.lease.asyncio.sleep", sleep)
    return found


def candidate(cluster: Cluster, clock: Clock, name: str) -> Election:
    return Election(cluster, REF, name, clock)


async def test_the_first_one_leads_at_once(clock: Clock) -> None:
    first = candidate(Cluster(), clock, "one")
    await first.acquire()
    assert (first.leading, clock.now) == (True, 0.0)


async def test_a_second_one_waits_until_the_record_stood_still(clock: Clock) -> None:
    cluster = Cluster()
    await candidate(cluster, clock, "one").acquire()
    await candidate(cluster, clock, "two").acquire()
    assert DURATION < clock.now <= DURATION + 2 * lease.LOOK


async def test_a_released_lease_is_taken_at_the_next_look(clock: Clock) -> None:
    cluster = Cluster()
    first = candidate(cluster, clock, "one")
    await first.acquire()
    await first.release()
    await candidate(cluster, clock, "two").acquire()
    assert clock.now <= lease.LOOK


async def test_a_holder_steps_down_when_another_holds_the_lease(clock: Clock) -> None:
    cluster = Cluster()
    first = candidate(cluster, clock, "one")
    await first.acquire()
    await candidate(cluster, clock, "two").acquire()
    with pytest.raises(LeaseLost):
        await first.hold()
    assert not first.leading


async def test_a_holder_that_cannot_renew_steps_down_before_anybody_may_take_over(clock: Clock) -> None:
    cluster = Cluster()
    first = candidate(cluster, clock, "one")
    await first.acquire()
    cluster.refuse[("replace", REF)] = Unavailable("down")
    with pytest.raises(LeaseLost):
        await first.hold()
    assert clock.now <= DURATION


async def test_a_process_that_restarts_under_its_own_name_leads_again_at_once(clock: Clock) -> None:
    cluster = Cluster()
    await candidate(cluster, clock, "one").acquire()
    again = candidate(cluster, clock, "one")
    await again.acquire()
    assert clock.now == 0.0


async def test_a_holder_whose_renewal_gets_no_answer_steps_down(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster()
    first = candidate(cluster, clock, "one")
    await first.acquire()

    async def silent(_: Ref) -> None:
        clock.now += DURATION  # what passes while nobody answers
        await asyncio.Event().wait()

    monkeypatch.setattr(lease, "DURATION", lease.RENEW + 5.1)
    monkeypatch.setattr(cluster, "get", silent)
    with pytest.raises(LeaseLost):
        await asyncio.wait_for(first.hold(), 30)
