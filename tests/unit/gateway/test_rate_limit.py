"""Token buckets: what is granted over any span of time, what is told to clients, how much is remembered."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hcs_services.gateway.rate_limit import Quota, RateLimiter, address_key, credential_key

pytestmark = pytest.mark.unit
CLIENT = b"client"


@given(
    capacity=st.floats(1, 100),
    refill=st.floats(0.01, 1000),
    calls=st.lists(st.tuples(st.floats(0, 10), st.floats(0, 5)), max_size=60),
)
def test_never_grants_more_than_the_capacity_and_what_was_refilled(
    capacity: float, refill: float, calls: list[tuple[float, float]]
) -> None:
    limiter, now, granted = RateLimiter(Quota(capacity, refill)), 1000.0, 0.0
    for pause, cost in calls:
        now += pause
        if limiter.take(CLIENT, cost, now).allowed:
            granted += min(cost, capacity)
    assert granted <= capacity + refill * (now - 1000.0) + 1e-6


@given(capacity=st.integers(1, 20), refill=st.floats(0.01, 50), cost=st.floats(0.1, 20))
def test_a_client_that_waits_as_long_as_told_is_admitted(capacity: int, refill: float, cost: float) -> None:
    limiter, now = RateLimiter(Quota(capacity, refill)), 0.0
    verdict = limiter.take(CLIENT, cost, now)
    while verdict.allowed:
        verdict = limiter.take(CLIENT, cost, now)
    assert limiter.take(CLIENT, cost, now + verdict.retry_after + 1e-6).allowed


def test_refills_fractions_of_a_token() -> None:
    limiter = RateLimiter(Quota(capacity=1, refill_per_second=0.5))
    assert limiter.take(CLIENT, 1, 0.0).allowed
    assert not limiter.take(CLIENT, 1, 1.9).allowed
    assert limiter.take(CLIENT, 1, 2.0).allowed


def test_a_clock_that_steps_back_grants_nothing() -> None:
    limiter = RateLimiter(Quota(capacity=1, refill_per_second=1))
    assert limiter.take(CLIENT, 1, 100.0).allowed
    assert not limiter.take(CLIENT, 1, 50.0).allowed
    assert not limiter.take(CLIENT, 1, 100.5).allowed


def test_a_cost_over_the_capacity_takes_a_full_bucket() -> None:
    limiter = RateLimiter(Quota(capacity=2, refill_per_second=1))
    assert limiter.take(CLIENT, 5, 0.0).allowed
    assert limiter.take(CLIENT, 5, 0.0).retry_after == 2


def test_clients_do_not_share_a_bucket() -> None:
    limiter = RateLimiter(Quota(capacity=1, refill_per_second=1))
    assert limiter.take(b"one", 1, 0.0).allowed
    assert limiter.take(b"two", 1, 0.0).allowed


def test_the_fields_state_quota_window_rest_and_wait() -> None:
    limiter = RateLimiter(Quota(capacity=10, refill_per_second=4))
    fields = dict(limiter.fields(limiter.take(CLIENT, 9.5, 0.0)))
    assert fields == {b"ratelimit-policy": b'"default";q=10;w=3', b"ratelimit": b'"default";r=0;t=1'}


def test_forgets_the_client_seen_longest_ago_beyond_its_bound() -> None:
    limiter = RateLimiter(Quota(capacity=1, refill_per_second=0.001), max_clients=2)
    limiter.take(b"one", 1, 0.0)
    limiter.take(b"two", 1, 0.0)
    assert not limiter.take(b"one", 1, 0.0).allowed  # seen again: "two" is the oldest now
    limiter.take(b"three", 1, 0.0)
    assert len(limiter) == 2
    assert not limiter.take(b"one", 1, 0.0).allowed


def test_two_gateways_grant_one_quota_together() -> None:
    gateways = [RateLimiter(Quota.share(10, 2, replicas=2)) for _ in range(2)]
    granted = sum(gateway.take(CLIENT, 1, 0.0).allowed for gateway in gateways for _ in range(20))
    assert granted == 10
    granted = sum(gateway.take(CLIENT, 1, 3.0).allowed for gateway in gateways for _ in range(20))
    assert granted == 6


def test_a_share_below_one_token_still_admits_one_request() -> None:
    assert RateLimiter(Quota.share(1, 1, replicas=4)).take(CLIENT, 1, 0.0).allowed


def test_ipv6_addresses_of_one_subscriber_share_a_bucket() -> None:
    assert address_key(ip_address("2001:db8::1")) == address_key(ip_address("2001:db8::ffff:2"))
    assert address_key(ip_address("2001:db8::1")) != address_key(ip_address("2001:db8:0:1::1"))
    assert address_key(ip_address("10.0.0.1")) != address_key(ip_address("10.0.0.2"))


def test_a_credential_is_not_kept_itself() -> None:
    assert b"secret-key" not in credential_key(b"secret-key")
