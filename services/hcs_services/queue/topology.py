"""What the broker holds: a quorum queue per class of task, fixed-delay wait queues, a dead-letter queue and a probe.

Back-off uses wait queues of one fixed TTL each; a per-message TTL in one queue would block behind its head. A wait
queue is fed through a fanout exchange of its own, so a waiting message keeps the routing key of its class queue;
it dead-letters to the default exchange without a key of its own, which hands the message back to that queue.

Source queues dead-letter at least once, which RabbitMQ allows only with `overflow: reject-publish`
(https://www.rabbitmq.com/docs/quorum-queues#dead-lettering). The delivery limit is a backstop for a message that
crashes its worker; ordinary failures never reach it, because the worker counts tries in a header of its own.

The dead-letter queue has no length limit (docs/tasks.md): a full one could only drop letters, or refuse them and so
keep each dead task in a worker's hands, in the place of one that can be done.
"""

from dataclasses import dataclass, field
from typing import Any, Final

from hcs_services.queue.session import Session

CRITICAL: Final = "hcs.critical"
DEFAULT: Final = "hcs.default"
BULK: Final = "hcs.bulk"
DEAD: Final = "hcs.dead"
PROBE: Final = "hcs.probe"

CLASS_QUEUES: Final = (CRITICAL, DEFAULT, BULK)
DELIVERY_LIMIT: Final = 20

_QUEUE_OF_TYPE: Final = {
    "process_payment": CRITICAL,
    "refund_payment": CRITICAL,
    "send_email": DEFAULT,
    "generate_report": BULK,
    "sync_data": BULK,
}

WAIT_MILLISECONDS: Final = ((900, 1100), (4500, 5500), (27000, 33000))
"""Two delays, 0.9 and 1.1 of the step, for each further try: 1 s, 5 s, 30 s."""


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue to declare; `fanout` names the exchange bound to it, if it has one."""

    name: str
    arguments: dict[str, Any] = field(hash=False)
    fanout: str | None = None


def queue_for(task_type: str) -> str:
    """The class queue of a task type. Raises KeyError for an unknown type."""
    return _QUEUE_OF_TYPE[task_type]


def wait_exchange(milliseconds: int) -> str:
    """The name shared by a wait queue and its fanout exchange."""
    return f"hcs.wait.{milliseconds}"


def retry_exchange(tries_made: int, *, late: bool) -> str:
    """The exchange that holds a message until its next try; the last step is that of every further try.

    `tries_made` counts the failed tries, 1 or more; `late` picks the longer of the step's two delays (caller's jitter).
    """
    step = WAIT_MILLISECONDS[min(tries_made, len(WAIT_MILLISECONDS)) - 1]
    return wait_exchange(step[1 if late else 0])


def queues() -> tuple[Queue, ...]:
    """Every queue of the stack; dead-letter targets come before the queues that point at them."""
    quorum = {"x-queue-type": "quorum", "x-overflow": "reject-publish"}
    at_least_once = {**quorum, "x-dead-letter-exchange": "", "x-dead-letter-strategy": "at-least-once"}
    dead = Queue(DEAD, quorum)
    classes = tuple(
        Queue(name, {**at_least_once, "x-dead-letter-routing-key": DEAD, "x-delivery-limit": DELIVERY_LIMIT})
        for name in CLASS_QUEUES
    )
    waits = tuple(
        Queue(wait_exchange(ms), {**at_least_once, "x-message-ttl": ms}, fanout=wait_exchange(ms))
        for step in WAIT_MILLISECONDS
        for ms in step
    )
    # The probe keeps one message: a self-test proves a confirmed quorum write and leaves nothing to pile up.
    probe = Queue(PROBE, {"x-queue-type": "quorum", "x-overflow": "drop-head", "x-max-length": 1})
    return (dead, *classes, *waits, probe)


async def declare(session: Session) -> None:
    """Declare what is missing. Raises SessionLost if the broker refuses, or holds a queue with other arguments."""
    channel = session.channel
    for queue in queues():
        await session.call(channel.queue_declare, queue.name, durable=True, arguments=queue.arguments)
        if queue.fanout is not None:
            await session.call(channel.exchange_declare, queue.fanout, "fanout", durable=True)
            await session.call(channel.queue_bind, queue.name, queue.fanout)
