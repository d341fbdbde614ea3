"""What is refused without asking Redis would have been refused by it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hcs_services.gateway.ceiling import Ceiling
from hcs_services.gateway.rate_limit import Quota, RateLimiter

pytestmark = pytest.mark.unit
CLIENT = b"client"


MOMENTS = st.sampled_from([0.0, 0.001, 0.004, 0.01, 0.02])


@given(
    capacity=st.integers(1, 4),
    refill=st.sampled_from([25.0, 60.0, 150.0]),
    calls=st.lists(
        st.tuples(st.integers(0, 1), MOMENTS, MOMENTS, st.sampled_from([0.5, 1, 3])), min_size=10, max_size=80
    ),
)
def test_of_two_gateways_none_refuses_what_the_common_bucket_would_grant(
    capacity: float, refill: float, calls: list[tuple[int, float, float, float]]
) -> None:
    quota = Quota(capacity, refill)
    bucket, ceilings, now = RateLimiter(quota), [Ceiling(quota), Ceiling(quota)], 0.0
    for gateway, pause, way, cost in calls:
        now += pause
        asked_at, now = now, now + way  # the bucket is changed after the question was sent
        refusal = ceilings[gateway].refusal(CLIENT, cost, asked_at)
        verdict = bucket.take(CLIENT, cost, now) if refusal is None else None
        if verdict is None:
            assert _would_refuse(bucket, cost, asked_at)
        else:
            ceilings[gateway].learn(CLIENT, bucket._buckets[CLIENT].tokens, asked_at)


def _would_refuse(bucket: RateLimiter, cost: float, now: float) -> bool:
    held = bucket._buckets[CLIENT]
    return bucket.quota.refilled(held.tokens, now - held.at) < min(cost, bucket.quota.capacity) + 1e-6


def test_a_client_over_its_quota_is_refused_until_its_next_token() -> None:
    ceiling = Ceiling(Quota(capacity=10, refill_per_second=4))
    assert ceiling.refusal(CLIENT, 1, 100.0) is None
    ceiling.learn(CLIENT, 0.5, 100.0)
    refusal = ceiling.refusal(CLIENT, 1, 100.1)
    assert refusal is not None
    assert (refusal.allowed, refusal.remaining, refusal.retry_after) == (False, 0, 1)
    assert ceiling.refusal(CLIENT, 1, 100.125) is None
    assert ceiling.refusal(b"other", 1, 100.1) is None


def test_a_cost_over_the_capacity_waits_for_a_full_bucket() -> None:
    ceiling = Ceiling(Quota(capacity=2, refill_per_second=1))
    ceiling.learn(CLIENT, 0.0, 0.0)
    refusal = ceiling.refusal(CLIENT, 5, 0.5)
    assert refusal is not None
    assert refusal.retry_after == 2
    assert ceiling.refusal(CLIENT, 5, 2.0) is None


def test_forgets_the_client_asked_about_longest_ago_beyond_its_bound() -> None:
    ceiling = Ceiling(Quota(capacity=1, refill_per_second=0.001), max_clients=2)
    for client in (b"one", b"two", b"one", b"three"):
        ceiling.learn(client, 0.0, 0.0)
    known = [client for client in (b"one", b"two", b"three") if ceiling.refusal(client, 1, 0.0)]
    assert known == [b"one", b"three"]
