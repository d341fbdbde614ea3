"""`refund_payment`: give a charge back. Comes only from the outbox: an order was cancelled after it had been charged.

With `settle` instead of a charge's id the charge's outcome is unknown: asking again under the payment's own key tells
(one charge at most, whatever happened before), and what was charged is refunded. Only a decline says that there is no
charge; any other refusal (a wrong token, say) is about this call, and leaves the outcome as unknown as it was.

It is tried for as long as it takes: no user waits for it or sees it fail, and money would stay taken.
"""

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from hcs_services.database.connection import Connection
from hcs_services.database.versions import clock_version
from hcs_services.identifiers import parse_order_id
from hcs_services.money import Money
from hcs_services.worker.handlers.payment import charge_key
from hcs_services.worker.ports import PAYMENT, Charge, PaymentProvider, Ports, required
from hcs_services.worker.registry import HANDLERS
from hcs_services.worker.task import DECLINED, Done, Effect, Permanent, Task


class Unsettled(BaseModel):
    """A charge that may have happened."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    task_id: str
    amount: Money
    currency: str
    method_token: str


class RefundPayload(BaseModel):
    """Which charge of which order to give back."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    order_id: str
    charge_id: str | None = None
    settle: Unsettled | None = None


@HANDLERS.handles("refund_payment", payload=RefundPayload, seconds=45, tries=None)
async def refund_payment(_task: Task, payload: RefundPayload, ports: Ports) -> Effect:
    """Refund; the effect is the status of the row in `payments`."""
    provider = required(ports.provider, PAYMENT)
    charge_id = payload.charge_id or await _charged(payload, provider)
    if charge_id is not None:
        await provider.refund(f"refund:{charge_id}:{payload.order_id}", charge_id)

    async def effect(tx: Connection, now: datetime) -> Done:
        if charge_id is None:
            return Done(result={"charged": False})
        await tx.execute(
            "UPDATE payments SET status = 'refunded', ver = GREATEST(ver + 1, %s)"
            " WHERE order_id = %s AND charge_id = %s",
            (clock_version(now), parse_order_id(payload.order_id), charge_id),
        )
        return Done(result={"charge_id": charge_id, "refunded": True})

    return effect


async def _charged(payload: RefundPayload, provider: PaymentProvider) -> str | None:
    """The charge of unknown outcome, None if the provider declines it: any other refusal says nothing of the past."""
    unsettled = payload.settle
    if unsettled is None:
        raise Permanent("malformed", "neither a charge nor one to settle")
    key = charge_key(unsettled.task_id, payload.order_id)
    try:
        return await provider.charge(Charge(key, unsettled.amount, unsettled.currency, unsettled.method_token))
    except Permanent as error:
        if error.reason != DECLINED:
            raise
        return None
