"""One limit for several gateways: exact while Redis answers, their shares while it does not, and what they say of it."""

import asyncio
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError
from structlog.testing import capture_logs
from tests.unit.gateway.virtual_time import VirtualLoop

from hcs_services.gateway import metrics, shared_limit
from hcs_services.gateway.rate_limit import Quota, RateLimiter
from hcs_services.gateway.shared_buckets import Taken
from hcs_services.gateway.shared_limit import SharedLimit

pytestmark = pytest.mark.unit
CLIENT = b"client"


class PlayedBuckets:
    """What the script does in Redis, in memory, for one client; `away` is what a question fails with."""

    def __init__(self, quota: Quota) -> None:
        self.quota = quota
        self.now = 0.0
        self.way_back = 0.0
        self.away: RedisError | None = None
        self.asked = 0
        self.probed = 0
        self.left, self._at = quota.capacity, 0.0

    async def take(self, client: bytes, cost: float, debt: float = 0) -> Taken:
        assert client == CLIENT
        self.asked += 1
        if self.away is not None:
            raise self.away
        self.left = self.quota.refilled(self.left, self.now - self._at)
        self._at = self.now
        if debt:
            self.left = max(-self.quota.capacity, self.left - debt)
        need = min(cost, self.quota.capacity)
        allowed = self.left >= need
        self.left -= need if allowed else 0
        self.now += self.way_back
        return Taken(allowed, self.left)

    async def probe(self) -> None:
        self.probed += 1
        if self.away is not None:
            raise self.away

    async def close(self) -> None:
        pass


def gateways(buckets: PlayedBuckets, count: int = 2) -> list[SharedLimit]:
    share = Quota.share(buckets.quota.capacity, buckets.quota.refill_per_second, count)
    return [SharedLimit(buckets, share, clock=lambda: buckets.now) for _ in range(count)]


async def granted(limit: SharedLimit, times: int, cost: float = 1) -> int:
    return sum([(await limit.take(CLIENT, cost))[0].allowed for _ in range(times)])


@pytest.fixture
def alone() -> Iterator[None]:
    yield
    metrics.ALONE.set(0)


def decided(by: str) -> float:
    return float(metrics.GLOBAL_VERDICTS.labels(by)._value.get())


@given(
    capacity=st.integers(1, 50),
    refill=st.floats(0.1, 200),
    calls=st.lists(st.tuples(st.integers(0, 1), st.floats(0, 1), st.integers(1, 5)), max_size=80),
)
def test_two_gateways_grant_what_one_bucket_would(
    capacity: int, refill: float, calls: list[tuple[int, float, int]]
) -> None:
    async def run() -> None:
        buckets = PlayedBuckets(Quota(capacity, refill))
        both, one, granted_, told = gateways(buckets), RateLimiter(buckets.quota), 0.0, 0.0
        for gateway, pause, cost in calls:
            buckets.now += pause
            if (await both[gateway].take(CLIENT, cost))[0].allowed:
                granted_ += min(cost, capacity)
            if one.take(CLIENT, cost, buckets.now).allowed:
                told += min(cost, capacity)
        assert granted_ == told
        assert granted_ <= capacity + refill * buckets.now + 1e-6

    asyncio.run(run())


async def test_a_client_far_over_its_quota_costs_one_question_for_each_token() -> None:
    buckets = PlayedBuckets(Quota(10, 10))
    first, second = gateways(buckets)
    total = 0
    for _ in range(1_000):  # one second
        buckets.now += 0.001
        total += await granted(first, 1) + await granted(second, 1)
    assert total in {19, 20}
    assert buckets.asked <= 50


async def test_an_answer_that_was_long_on_its_way_refuses_nobody_longer() -> None:
    buckets = PlayedBuckets(Quota(1, 1))
    [limit, _] = gateways(buckets)
    buckets.way_back = 0.9
    assert await granted(limit, 1) == 1
    assert await granted(limit, 1) == 0
    buckets.now = 1.0
    assert await granted(limit, 1) == 1


async def test_the_answer_states_the_quota_of_the_whole_stack() -> None:
    [limit, _] = gateways(PlayedBuckets(Quota(10, 4)))
    _, fields = await limit.take(CLIENT, 2)
    assert dict(fields) == {b"ratelimit-policy": b'"default";q=10;w=3', b"ratelimit": b'"default";r=8;t=0'}
    verdict, fields = await limit.take(CLIENT, 9)
    assert (verdict.allowed, verdict.retry_after) == (False, 1)
    verdict, again = await limit.take(CLIENT, 9)  # by the ceiling
    assert (verdict.allowed, again) == (False, fields)


@pytest.mark.usefixtures("alone")
async def test_without_redis_each_grants_its_share_at_once() -> None:
    buckets = PlayedBuckets(Quota(10, 2))
    both, before = gateways(buckets), decided("share")
    buckets.away = RedisConnectionError("refused")
    assert [await granted(each, 20) for each in both] == [5, 5]
    assert buckets.asked == 2  # each asks once, then knows
    assert decided("share") - before == 40
    _, fields = await both[0].take(CLIENT, 1)
    assert dict(fields)[b"ratelimit-policy"] == b'"default";q=5;w=5'


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("error", [RedisTimeoutError("late"), ResponseError("OOM command not allowed"), OSError("dns")])
async def test_whatever_redis_fails_with_the_share_decides(error: Exception) -> None:
    buckets = PlayedBuckets(Quota(4, 0.01))
    buckets.away = error  # type: ignore[assignment]
    assert await granted(gateways(buckets)[0], 5) == 2


@pytest.mark.usefixtures("alone")
async def test_the_shares_go_on_from_what_was_left_in_redis() -> None:
    buckets = PlayedBuckets(Quota(10, 0.01))
    both = gateways(buckets)
    for each in (both[0], both[0], both[0], both[1], both[0], both[1]):
        await granted(each, 1)
    assert buckets.left == 4
    buckets.away = RedisTimeoutError("late")
    assert [await granted(each, 5) for each in both] == [2, 2]


@pytest.mark.usefixtures("alone")
async def test_an_answer_that_comes_after_the_fall_fills_no_share_again() -> None:
    buckets = PlayedBuckets(Quota(10, 0.01))
    [limit, _] = gateways(buckets)
    answered = asyncio.Event()

    async def late(_client: bytes, _cost: float, _debt: float = 0) -> Taken:
        await answered.wait()
        return Taken(allowed=True, left=9.0)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(buckets, "take", late)
        first = asyncio.create_task(limit.take(CLIENT, 1))
        await asyncio.sleep(0)
    buckets.away = RedisTimeoutError("late")
    assert await granted(limit, 6) == 5
    answered.set()
    assert (await first)[0].allowed
    assert await granted(limit, 5) == 0


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("outage", [0.4, 1.0, 7.0])
async def test_an_outage_grants_nothing_twice(outage: float) -> None:
    buckets = PlayedBuckets(Quota(100, 100))
    both, granted_ = gateways(buckets), 0
    for millisecond in range(20_000):
        buckets.now = millisecond / 1000
        buckets.away = RedisTimeoutError("late") if 5.0 <= buckets.now < 5.0 + outage else None
        if millisecond % 200 == 0:  # as `follow` does
            for each in both:
                await each._probe()
        granted_ += await granted(both[millisecond % 2], 1)
    assert granted_ == pytest.approx(100 + 20 * 100, rel=0.01)


@pytest.mark.usefixtures("alone")
async def test_what_is_owed_for_long_is_owed_no_more() -> None:
    buckets = PlayedBuckets(Quota(10, 1))
    [limit, _] = gateways(buckets)
    buckets.away = RedisTimeoutError("late")
    assert await granted(limit, 9) == 5
    buckets.away = None
    await limit._probe()
    buckets.now = 6.0  # the share lacks two
    await limit.take(CLIENT, 1)
    assert buckets.left == pytest.approx(10 - 2 - 1)


@pytest.mark.usefixtures("alone")
async def test_what_a_share_granted_too_much_is_paid_back_even_from_an_empty_bucket() -> None:
    buckets = PlayedBuckets(Quota(10, 1))
    [limit, _] = gateways(buckets)
    other = SharedLimit(buckets, Quota(5, 0.5), clock=lambda: buckets.now)
    assert await granted(limit, 20) == 10
    buckets.away = RedisTimeoutError("late")
    assert await granted(other, 20) == 5
    buckets.away = None
    await other._probe()
    buckets.now = 1.0
    assert await granted(other, 1) == 0
    assert buckets.left == pytest.approx(1 - 4)  # the first of the five may have been taken there


@pytest.mark.usefixtures("alone")
async def test_a_debt_that_could_not_be_told_is_told_later() -> None:
    buckets = PlayedBuckets(Quota(10, 0.1))
    [limit, _] = gateways(buckets)
    buckets.away = RedisTimeoutError("late")
    assert await granted(limit, 3) == 3
    for away in (RedisTimeoutError("late"), None):
        buckets.away = None
        await limit._probe()
        buckets.away = away
        await granted(limit, 1)
    assert buckets.left == 10 - 2 - 1


@pytest.mark.usefixtures("alone")
def test_it_says_when_redis_goes_and_comes_back_to_it_by_itself() -> None:
    async def run() -> None:
        buckets = PlayedBuckets(Quota(10, 10))
        [limit, _] = gateways(buckets)
        following = asyncio.create_task(limit.follow())
        await asyncio.sleep(0)
        assert (buckets.probed, metrics.ALONE._value.get()) == (1, 0)
        buckets.away = RedisTimeoutError("late")
        with capture_logs() as logs:
            await granted(limit, 2)
            assert metrics.ALONE._value.get() == 1
            await asyncio.sleep(3.5 * shared_limit.PROBE_SECONDS)
            assert buckets.probed == 4
            buckets.away = None
            await asyncio.sleep(shared_limit.PROBE_SECONDS)
        assert metrics.ALONE._value.get() == 0
        assert [(line["log_level"], line.get("error")) for line in logs] == [("warning", "late"), ("info", None)]
        asked = buckets.asked
        await granted(limit, 1)
        assert buckets.asked == asked + 1
        following.cancel()

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(run())
