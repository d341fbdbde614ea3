"""A worker whose mails go nowhere and whose effects are counted: `python -m tests.engine.worker.counting_worker worker`.

All but the mail server is the real one. Each effect adds a row to `hcs.effects`, in its own transaction with the others,
and nothing but the worker's care keeps a task from having two there. Whom a mail is for says how it fares:

recipient   outcome
`refused@`  refused for good, unless MENDED is set
`down@`     deferred each time, unless MENDED is set
`once@`     deferred at its first try
`twice@`    deferred at its first two tries
others      sent
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, replace
from datetime import datetime

from hcs_services import command
from hcs_services.database.connection import Connection
from hcs_services.models import NewNotification
from hcs_services.worker.handlers import email
from hcs_services.worker.ports import Mail, Ports
from hcs_services.worker.registry import HANDLERS
from hcs_services.worker.task import Done, Effect, Permanent, Task, Transient

EFFECTS = (
    "CREATE TABLE IF NOT EXISTS hcs.effects (id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,"
    " task_id VARCHAR(64) NOT NULL, KEY by_task (task_id))"
)


@dataclass(frozen=True)
class PlayedMailer:
    """What the mail server says at this try."""

    attempt: int

    async def send(self, mail: Mail) -> None:
        name = mail.to.partition("@")[0]
        if self.attempt <= {"once": 1, "twice": 2}.get(name, 0):
            raise Transient("mail-deferred", "451 later")
        if "MENDED" in os.environ:
            return
        if name == "refused":
            raise Permanent("mail-refused", "550 no such mailbox")
        if name == "down":
            raise Transient("mail-server", "no answer")


async def send_and_count(task: Task, payload: NewNotification, ports: Ports) -> Effect:
    effect = await email.send_email(task, payload, replace(ports, mailer=PlayedMailer(task.attempt)))

    async def counted(tx: Connection, now: datetime) -> Done:
        await tx.execute("INSERT INTO effects (task_id) VALUES (%s)", (task.id,))
        return await effect(tx, now)

    return counted


if __name__ == "__main__":
    HANDLERS._handlers["send_email"] = replace(HANDLERS._handlers["send_email"], prepare=send_and_count)
    sys.exit(command.main(sys.argv[1:]))
