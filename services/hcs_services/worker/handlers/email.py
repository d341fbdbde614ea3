"""`send_email`: hand a mail to the SMTP server, then note it.

A mail cannot be sent exactly once: a crash after the server took it sends it again. The repeat carries the same
Message-ID, made from the task's id, so that a mailbox or a person can tell.
"""

from datetime import datetime

from hcs_services.database.connection import Connection
from hcs_services.database.versions import clock_version
from hcs_services.identifiers import slot_of
from hcs_services.models import NewNotification
from hcs_services.worker.ports import Mail, Ports, required
from hcs_services.worker.registry import HANDLERS
from hcs_services.worker.task import Done, Effect, Task
from hcs_services.worker.task_rows import naive


def message_id(task_id: str) -> str:
    """The mail's Message-ID (RFC 5322), the same at every try."""
    return f"<{task_id}@tasks.hcs.invalid>"


@HANDLERS.handles("send_email", payload=NewNotification, seconds=30)
async def send_email(task: Task, payload: NewNotification, ports: Ports) -> Effect:
    """Send; the effect is the row in `notifications`."""
    mailer = required(ports.mailer, "spec.workers.handlers.email")
    mail = Mail(message_id(task.id), payload.to, payload.subject, payload.body)
    await mailer.send(mail)

    async def effect(tx: Connection, now: datetime) -> Done:
        await tx.execute(
            "INSERT INTO notifications (task_id, user_id, recipient, subject, message_id, sent_at, slot, ver)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
            (
                task.id,
                payload.user_id,
                mail.to,
                mail.subject,
                mail.message_id,
                naive(now),
                slot_of(payload.user_id),
                clock_version(now),
            ),
        )
        return Done(result={"message_id": mail.message_id})

    return effect
