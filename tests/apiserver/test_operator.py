"""The whole operator against a real API server, with the engines behind its ports played by the test."""

import pytest

from .stage import Stage

pytestmark = [pytest.mark.apiserver, pytest.mark.timeout(180)]


async def test_one_resource_becomes_a_ready_stack_with_all_its_children(stage: Stage) -> None:
    stage.operator()
    await stage.create()
    await stage.ready()
    children = await stage.children()
    workloads = {name.partition("/")[2] for name in children if name.startswith(("Deployment/", "StatefulSet/"))}
    assert workloads == {
        "shop-gateway", "shop-write-api", "shop-async-api", "shop-read-api", "shop-worker",
        "shop-db-0", "shop-replica-0", "shop-cache", "shop-queue",
    }  # fmt: skip
