"""A new image of the services reaches the tiers in the order of a start."""

from __future__ import annotations

from typing import Any

import pytest

from .kubelet import Kubelet
from .stage import Stage

pytestmark = pytest.mark.apiserver


async def test_an_upgrade_brings_the_gateway_its_image_last(bare_stage: Stage) -> None:
    held = {"migrate", "write-api"}

    def broken(pod: dict[str, Any]) -> str | None:
        new = pod["spec"]["containers"][0]["image"] == "next:2"
        return "ErrImagePull" if new and pod["metadata"]["labels"]["app.kubernetes.io/component"] in held else None

    async def upgraded() -> set[str]:
        names = ("gateway", "write-api", "async-api", "read-api", "worker")
        found = {name: await bare_stage.get("Deployment", f"shop-{name}") for name in names}
        return {it for it, live in found.items() if live and "next:2" in str(live["spec"]["template"])}

    async with Kubelet(bare_stage.kube, bare_stage.namespace, broken):
        bare_stage.operator()
        await bare_stage.create()
        await bare_stage.ready()
        await bare_stage.edit("shop", images={"services": "next:2"})
        await bare_stage.until_reason("Reconciling", "WaitingForMigration", 20)
        assert await upgraded() == set()
        held.remove("migrate")
        await bare_stage.until_reason("Reconciling", "WaitingForWriteApi", 20)
        assert await upgraded() == {"write-api", "async-api", "read-api", "worker"}
        held.clear()
        await bare_stage.ready()
        assert "gateway" in await upgraded()
