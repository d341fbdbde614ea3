"""All pods together keep within an account's connections, and a pool's size seldom changes."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.build.stacks import stack

from hcs_operator.api.connections import service_connections
from hcs_operator.build.connections import PRIMARY_POOL, READER_POOL, Holder, pool_sizes, shared

pytestmark = pytest.mark.unit

HOLDERS = st.lists(
    st.builds(
        lambda pods, least, more: Holder("", pods, least + more, least),
        st.integers(2, 201),
        st.integers(1, 6),
        st.integers(0, 30),
    ),
    min_size=1,
    max_size=3,
).map(lambda found: [holder._replace(tier=f"tier-{n}") for n, holder in enumerate(found)])


def connections(holders: list[Holder], sizes: dict[str, int]) -> int:
    """Those of the pools, and one of each pod outside its pool."""
    return sum(holder.pods * (sizes[holder.tier] + 1) for holder in holders)


@given(HOLDERS, st.integers(1, 2000))
def test_all_pods_together_keep_within_the_limit_whenever_the_smallest_pools_do(
    holders: list[Holder], limit: int
) -> None:
    sizes, least = shared(holders, limit), {holder.tier: holder.least for holder in holders}
    assert all(holder.least <= sizes[holder.tier] <= holder.most for holder in holders)
    assert connections(holders, sizes) <= limit or sizes == least
    if connections(holders, least) <= limit:
        assert connections(holders, sizes) <= limit


@given(HOLDERS, st.integers(1, 2000))
def test_a_tier_gives_only_once_those_before_it_have_given_all(holders: list[Holder], limit: int) -> None:
    sizes = shared(holders, limit)
    for before, after in pairwise(holders):
        assert sizes[after.tier] == after.most or sizes[before.tier] == before.least


@given(
    workers=st.integers(1, 40),
    concurrency=st.integers(1, 256),
    apis=st.integers(1, 4),
    max_connections=st.integers(400, 2000),
)
def test_the_pods_of_a_stack_keep_within_the_limits_of_both_accounts(
    workers: int, concurrency: int, apis: int, max_connections: int
) -> None:
    spec = {
        "workers": {"concurrency": concurrency, "prefetch": 1024},
        "autoscaling": {"workers": {"maxReplicas": workers}},
        "database": {"config": {"max_connections": str(max_connections)}},
        **{tier: {"replicas": apis} for tier in ("writeApi", "asyncApi", "readApi")},
    }
    pods = {"write-api": apis + 1, "async-api": apis + 1, "read-api": apis + 1, "worker": workers + 1}
    held = {tier: pool_sizes(stack(spec), tier) for tier in pods}
    limit = service_connections(max_connections)
    for variable, tiers in (
        (PRIMARY_POOL, ("write-api", "async-api", "worker")),
        (PRIMARY_POOL, ("read-api",)),
        (READER_POOL, ("read-api", "async-api", "worker")),
    ):
        assert sum(pods[tier] * (int(held[tier][variable]) + 1) for tier in tiers) <= limit


def sizes_of(spec: dict[str, Any]) -> dict[str, dict[str, str]]:
    return {tier: pool_sizes(stack(spec), tier) for tier in ("write-api", "async-api", "read-api", "worker")}


@pytest.mark.parametrize(
    "spec",
    [
        {"autoscaling": {"workers": {"maxReplicas": 12}}},
        {"autoscaling": {"mode": "Off"}, "workers": {"replicas": 10}},
        {"database": {"config": {"max_connections": "500"}}},
        {"writeApi": {"replicas": 3}},
    ],
)
def test_a_change_that_there_is_room_for_rolls_no_pod(spec: dict[str, Any]) -> None:
    assert sizes_of(spec) == sizes_of({})


def test_many_workers_get_small_pools_and_the_write_api_keeps_its_own() -> None:
    many = sizes_of({"autoscaling": {"workers": {"maxReplicas": 40}}})
    assert (many["worker"][PRIMARY_POOL], many["write-api"]) == ("1", sizes_of({})["write-api"])


def test_what_cannot_be_met_gets_the_smallest_pools() -> None:
    spec = {
        "autoscaling": {"workers": {"maxReplicas": 200}},
        "database": {"config": {"max_connections": "50"}},
    }
    assert {tier: found[PRIMARY_POOL] for tier, found in sizes_of(spec).items()} == {
        "write-api": "6",
        "async-api": "2",
        "read-api": "2",
        "worker": "1",
    }


def test_a_gateway_and_a_migration_have_no_pools() -> None:
    assert [pool_sizes(stack(), tier) for tier in ("gateway", "migrate")] == [{}, {}]
