"""`process_payment`: charge an order once and set it PAID.

1. one transaction checks the order and takes the claim (payment_rows); nothing is charged that fails here;
2. the provider is asked to charge under a key made of task and order: however often, one charge. If it clearly does
   not, the claim is given back, and the next try begins with the checks again;
3. the effect records the charge and sets the order PAID, or sends the charge back if the order was cancelled meanwhile.

A task that dies holding a claim may have been charged without our knowing (unless the provider declined in the end): it
leaves a refund task behind that finds out under the same key: charges minus refunds are what orders were paid. That
holds too where the provider was taken out of the stack between two tries; the refund then waits in the dead letters.
"""

from datetime import UTC, datetime

from hcs_services.database.connection import Connection
from hcs_services.identifiers import parse_order_id, slot_of
from hcs_services.models import NewPayment
from hcs_services.worker import payment_rows
from hcs_services.worker.payment_rows import Wanted
from hcs_services.worker.ports import PAYMENT, Charge, Ports, required
from hcs_services.worker.registry import HANDLERS
from hcs_services.worker.task import DECLINED, Done, Effect, Permanent, Task, TaskFailed


def charge_key(task_id: str, order_id: str) -> str:
    """The provider's idempotency key of a payment; `order_id` is the public form."""
    return f"payment:{task_id}:{order_id}"


async def release_claim(tx: Connection, task: Task, failure: TaskFailed, now: datetime) -> None:
    """The payment is dead: let others pay the order, and leave no charge of unknown outcome behind."""
    released = await payment_rows.release(tx, task)
    if released and failure.reason != DECLINED:
        await payment_rows.enqueue_settlement(tx, task, slot_of(task.id), now)


@HANDLERS.handles("process_payment", payload=NewPayment, seconds=45, on_dead=release_claim)
async def process_payment(task: Task, payload: NewPayment, ports: Ports) -> Effect:
    """Check, claim, charge; the effect is the paid order."""
    provider = required(ports.provider, PAYMENT)
    order_id = parse_order_id(payload.order_id)
    if order_id is None:
        raise Permanent("unknown-order", "there is no such order")
    wanted = Wanted(task, order_id, payload.amount, payload.currency)
    async with ports.primary.transaction() as tx:
        version = await payment_rows.claim(tx, wanted, datetime.now(UTC))
    key = charge_key(task.id, payload.order_id)
    try:
        charge_id = await provider.charge(Charge(key, payload.amount, payload.currency, payload.method_token))
    except TaskFailed as failure:
        if version is not None and not failure.unclear:
            async with ports.primary.transaction() as tx:
                await payment_rows.give_back(tx, wanted, version)
        raise

    async def effect(tx: Connection, now: datetime) -> Done:
        return await payment_rows.settle_charge(tx, wanted, charge_id, now)

    return effect
