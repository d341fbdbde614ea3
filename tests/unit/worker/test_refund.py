"""A refund of a charge whose outcome is unknown: what the provider says decides whether there is one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, cast

import pytest

from hcs_services.worker.handlers.refund import RefundPayload, refund_payment
from hcs_services.worker.ports import Charge, Ports
from hcs_services.worker.task import DECLINED, Permanent, Task

pytestmark = pytest.mark.unit

TASK = Task("settle-T1", "refund_payment", {}, datetime(2026, 11, 23, 12, tzinfo=UTC), 1)
UNSETTLED = RefundPayload.model_validate(
    {
        "order_id": "o",
        "settle": {"task_id": "T1", "amount": "19.90", "currency": "EUR", "method_token": "tok_ok"},
    }
)


class Refusing:
    """A provider that refuses every charge for good."""

    def __init__(self, reason: str) -> None:
        self._reason = reason

    async def charge(self, _charge: Charge) -> str:
        raise Permanent(self._reason, "no")


def ports(reason: str) -> Ports:
    return cast("Ports", type("Played", (), {"provider": Refusing(reason)}))


async def test_a_decline_says_that_there_is_no_charge_to_give_back() -> None:
    effect = await refund_payment(TASK, UNSETTLED, ports(DECLINED))
    done = await effect(cast("Any", None), TASK.created_at)
    assert done.result == {"charged": False}


async def test_any_other_refusal_leaves_the_outcome_unknown() -> None:
    with pytest.raises(Permanent) as failed:
        await refund_payment(TASK, UNSETTLED, ports("provider-401"))
    assert failed.value.reason == "provider-401"
