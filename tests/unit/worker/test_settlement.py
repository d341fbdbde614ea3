"""A charge of unknown outcome: only the provider's own refusal of the charge says that there is nothing to refund."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.worker.played import World

from hcs_services.identifiers import public_order_id
from hcs_services.queue.message import REASON_HEADER
from hcs_services.worker.ports import Charge
from hcs_services.worker.registry import HANDLERS
from hcs_services.worker.task import DECLINED, Permanent

pytestmark = pytest.mark.unit

CHARGE = {"amount": "19.90", "currency": "EUR", "method_token": "tok_ok", "task_id": "T0"}
SETTLEMENT: dict[str, Any] = {"order_id": public_order_id(1 << 40), "settle": CHARGE}


class Provider:
    """Answers each charge with `answer` and remembers what is refunded."""

    def __init__(self, answer: str | Permanent) -> None:
        self._answer = answer
        self.refunded: list[str] = []

    async def charge(self, _charge: Charge) -> str:
        if isinstance(self._answer, Permanent):
            raise self._answer
        return self._answer

    async def refund(self, _key: str, charge_id: str) -> None:
        self.refunded.append(charge_id)


async def settled_by(provider: Provider) -> World:
    world = World(handlers=HANDLERS, provider=provider)
    await world.runner.run(world.delivery(SETTLEMENT, task_type="refund_payment"))
    return world


async def test_a_charge_that_turns_out_to_exist_is_refunded() -> None:
    provider = Provider("ch-1")
    world = await settled_by(provider)
    assert (provider.refunded, world.pool.statuses()) == (["ch-1"], ["succeeded"])


async def test_a_charge_that_the_provider_declines_needs_no_refund() -> None:
    provider = Provider(Permanent(DECLINED, "the payment was declined"))
    world = await settled_by(provider)
    assert (provider.refunded, world.pool.statuses()) == ([], ["succeeded"])


async def test_a_provider_that_refuses_the_worker_leaves_the_refund_in_the_dead_letters() -> None:
    world = await settled_by(Provider(Permanent("provider-401", "the payment provider answered 401")))
    assert [headers[REASON_HEADER] for _, _, headers in world.published] == ["provider-401"]
    assert world.pool.statuses() == ["dead"]
