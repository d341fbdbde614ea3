"""A connection that was refused is gone with its end: nobody can fill the memory with what the collector is yet to find."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest
from tests.contract.refusals import HEADER, MALFORMED, REFUSED
from tests.unit.services.test_http_cycle import Transport
from uvicorn.server import ServerState

from hcs_services.http_protocol import LimitedHttpProtocol
from hcs_services.server import _server
from hcs_services.settings import Settings

pytestmark = pytest.mark.unit
BY_HEADER = {
    name: request
    for name, (request, slug) in REFUSED.items()
    if slug in {MALFORMED, HEADER} and name != "a chunk without a size"
}
"""What no application sees the begin of, and no clock ends."""


class Connected(Transport):
    """A transport as far as the protocol asks it."""

    def get_extra_info(self, _name: str, default: Any = None) -> Any:
        return default

    def can_write_eof(self) -> bool:
        return False


async def application(_scope: Any, _receive: Any, _send: Any) -> None:
    raise AssertionError


@pytest.mark.parametrize("name", BY_HEADER)
async def test_nothing_of_a_refused_connection_is_left_to_the_collector(name: str) -> None:
    config, transport = _server(application, 0, Settings()).config, Connected()
    config.load()
    protocol = LimitedHttpProtocol(config, ServerState(), {})
    protocol.connection_made(transport)  # type: ignore[arg-type]
    gc.disable()
    try:
        protocol.data_received(BY_HEADER[name])
        assert transport.writes[0].startswith(b"HTTP/1.1 4")
        protocol.connection_lost(None)
        gone = weakref.ref(protocol)
        del protocol
        assert gone() is None
    finally:
        gc.enable()
