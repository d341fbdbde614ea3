"""No generated call makes a server error; the stack at HCS_GATEWAY_URL has an object store, and a rate limit that a
run does not reach: a call that is refused for its rate tests nothing.
"""

import os
from http import HTTPStatus
from pathlib import Path

import pytest
from tests.contract.fuzzing import fuzz
from tests.slack import SLACK

pytestmark = pytest.mark.cluster
BASE = os.environ.get("HCS_GATEWAY_URL", "http://127.0.0.1:8080")


def test_generated_calls_reach_the_services_and_none_ends_in_a_server_error(tmp_path: Path) -> None:
    outcome = fuzz(BASE, tmp_path, examples=30, seed=1, seconds=240 * SLACK)
    print(f"{outcome.calls} calls, {outcome.reached:.1%} reached a service: {dict(outcome.served)}")
    assert [status for status in outcome.statuses if status >= 500] == [], outcome.report
    assert outcome.statuses[HTTPStatus.TOO_MANY_REQUESTS] == 0, outcome.refused[:50]
    assert outcome.ok, outcome.report
    assert outcome.served.keys() == {"write-api", "async-api", "read-api"}, outcome.report
    assert outcome.reached >= 0.9, outcome.refused[:50]
