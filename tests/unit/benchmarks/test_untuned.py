"""What is measured without a part of the start-up tuning is the product, and that part is out of it."""

from __future__ import annotations

import asyncio
import gc

import pytest
import uvloop
from benchmarks.services.untuned import PARTS

from hcs_services import server

pytestmark = pytest.mark.unit


def test_without_its_tuning_the_collector_is_left_as_it_comes() -> None:
    before = gc.get_threshold()
    with PARTS["collector"]:
        server.tune_collector()
    assert gc.get_threshold() == before


def test_without_uvloop_the_product_makes_asyncios_own_loop() -> None:
    with PARTS["loop"], asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert isinstance(runner.get_loop(), asyncio.SelectorEventLoop)
