"""Every call with every stated answer, against the stack at HCS_GATEWAY_URL (the sample stack's door by default)."""

import os
from collections.abc import AsyncIterator

import pytest
from tests.contract import rows_async_api, rows_everywhere, rows_head, rows_read_api, rows_write_api
from tests.contract.api import Api
from tests.contract.table import ROWS, Row
from tests.contract.world import World

pytestmark = pytest.mark.cluster
MODULES = (rows_async_api, rows_everywhere, rows_head, rows_read_api, rows_write_api)
BASE = os.environ.get("HCS_GATEWAY_URL", "http://127.0.0.1:8080")


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """Give a World at the stack's door."""
    async with Api(BASE) as api:
        yield World(api)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
async def test_a_call_is_answered_as_stated(world: World, row: Row) -> None:
    reply = await row.act(world)
    assert (reply.status, reply.slug) == (row.status, row.slug), reply
