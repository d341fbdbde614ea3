"""Of two processes one acts; the other takes over at once when it is told to stop, and later when it dies."""

import pytest

from .stage import Stage

pytestmark = pytest.mark.apiserver


async def holder(stage: Stage) -> str:
    lease = await stage.get("Lease", "hcs-operator")
    return str(lease["spec"].get("holderIdentity") or "") if lease else ""


async def test_only_the_leader_writes_and_a_stopped_one_hands_over_at_once(stage: Stage) -> None:
    first = stage.operator(name="one")

    async def leads(name: str) -> bool:
        return await holder(stage) == name

    await stage.until(lambda: leads("one"), 20, "the first leads")
    stage.operator(name="two", user="second")
    await stage.create()
    await stage.ready()
    assert stage.writes(), "the audit log shows nothing at all: it proves nothing"
    assert stage.writes("second") == []
    first.terminate()
    await stage.ended(first, 0)
    assert await holder(stage) in {"", "two"}, "a lease that is not given back stands still first"
    await stage.until(lambda: leads("two"), 18, "the second takes over")
    await stage.remove("Service", "shop-read")

    async def healed() -> bool:
        return await stage.get("Service", "shop-read") is not None

    await stage.until(healed, 20, "the second heals")


async def test_a_leader_that_died_is_succeeded_when_its_lease_stood_still(stage: Stage) -> None:
    first = stage.operator(name="one")

    async def leads(name: str) -> bool:
        return await holder(stage) == name

    await stage.until(lambda: leads("one"), 20, "the first leads")
    first.kill()
    await stage.ended(first, -9)
    stage.operator(name="two", user="second")
    await stage.until(lambda: leads("two"), 60, "the second takes over")


async def test_a_leader_whose_lease_was_taken_ends(stage: Stage) -> None:
    first = stage.operator(name="one")

    async def leads() -> bool:
        return await holder(stage) == "one"

    await stage.until(leads, 20, "the first leads")
    await stage.change("Lease", "hcs-operator", lambda lease: lease["spec"].update(holderIdentity="thief"))
    await stage.ended(first, 1)
