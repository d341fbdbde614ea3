"""A self-test that fails says why before whoever asks for it gives up."""

from __future__ import annotations

import pytest

from hcs_operator.observe import service_http
from hcs_services import admin, async_api, worker
from hcs_services.read_api import selftest as read_selftest
from hcs_services.write_api import selftest as write_selftest

LONGEST = {
    "async-api": async_api._PROBE_SECONDS,
    "read-api": 3 * read_selftest._STEP_SECONDS,  # replica, primary, cache
    "worker": worker._PRIMARY_SECONDS,
    "write-api": write_selftest._PRIMARY_SECONDS + write_selftest._CACHE_SECONDS,
}


@pytest.mark.parametrize("tier", LONGEST)
def test_each_tier_gives_its_own_reason_before_the_admin_port_gives_up(tier: str) -> None:
    assert LONGEST[tier] < admin._SELFTEST_SECONDS


def test_the_admin_port_answers_before_the_operator_gives_up() -> None:
    assert service_http.TIMEOUT.total is not None
    assert service_http.TIMEOUT.total > admin._SELFTEST_SECONDS
