"""What header fields ask for."""

import pytest

from hcs_services.problem import Problem
from hcs_services.read_api.demand import Demand, Want, parse
from hcs_services.tokens import ConsistencyToken

pytestmark = pytest.mark.unit
KEY = b"a key"
GTID = "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5"
TOKEN = ConsistencyToken(0, GTID, {"o:A": 7})


def demand(token: str | None = None, consistency: str | None = None, cache_control: str | None = None) -> Demand:
    return parse(token=token, consistency=consistency, cache_control=cache_control, key=lambda: KEY, shard=0)


def test_without_a_token_anything_will_do() -> None:
    assert Want() == demand().want("o:A")


def test_an_entity_that_the_token_names_may_come_from_a_cache_at_its_version() -> None:
    assert Want(7, GTID) == demand(TOKEN.encode(KEY)).want("o:A")


def test_any_other_entity_skips_the_caches() -> None:
    assert Want(0, GTID, skip_caches=True) == demand(TOKEN.encode(KEY)).want("o:B")


def test_no_cache_reads_the_primary() -> None:
    assert Want(skip_caches=True, primary=True) == demand(cache_control="max-age=0, No-Cache").want("o:A")


@pytest.mark.parametrize("text", ["", "x", "é", "A" * 5000, TOKEN.encode(b"another key")])
def test_a_token_that_is_not_ours_is_a_400(text: str) -> None:
    with pytest.raises(Problem) as caught:
        demand(text)
    assert (caught.value.status, caught.value.slug) == (400, "malformed-token")


def test_a_token_of_another_shard_asks_nothing_of_this_one() -> None:
    assert Want() == demand(ConsistencyToken(3, GTID, {"o:A": 7}).encode(KEY)).want("o:A")
