"""Dead letters beside a real broker and a real database: looked at, thrown away, and what is written down of it."""

from __future__ import annotations

import json
import secrets
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.engine.async_api.waiting import eventually
from tests.engine.mysql_servers import MysqlGroup
from tests.engine.worker.hcs_tasks import HcsTasks

from hcs_services.queue import Publisher, TaskMessage
from hcs_services.queue.topology import DEAD

pytestmark = pytest.mark.engine


def documents(said: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in said.splitlines()]


async def until_seen(hcs_tasks: HcsTasks, reason: str, expected: set[str | None]) -> list[dict[str, Any]]:
    """What is told of a reason's letters; the broker may still be giving back what the command before held, and gives it
    back in another order.
    """
    found: list[dict[str, Any]] = []

    async def all_of_them() -> bool:
        found[:] = documents(await hcs_tasks.run("peek", "--reason", reason))
        return {it["task_id"] for it in found} == expected

    await eventually("those letters are seen", all_of_them, 60)
    return found


async def test_letters_are_looked_at_and_purged_by_reason_and_the_audit_tells_of_it(
    publisher: Publisher, mysql_group: MysqlGroup, hcs_tasks: HcsTasks
) -> None:
    assert mysql_group
    ours, theirs = (f"{name}-{secrets.token_hex(6)}" for name in ("ours", "theirs"))
    for number, reason in enumerate((ours, theirs, ours)):
        headers = {"dead-reason": reason, "dead-detail": "said no", "dead-queue": "hcs.default", "task-attempt": 4}
        task = TaskMessage(f"{reason}-{number}", "send_email", {"to": "ann@example.com"}, datetime.now(UTC))
        await publisher.publish(DEAD, task.encode(), headers, 60)
    await publisher.publish(DEAD, b"{", {"dead-reason": ours}, 60)

    names = {f"{ours}-0", f"{ours}-2", None}
    seen = await until_seen(hcs_tasks, ours, names)
    assert {name: seen[0][name] for name in ("type", "detail", "queue", "attempts")} == {
        "type": "send_email",
        "detail": "said no",
        "queue": "hcs.default",
        "attempts": 4,
    }
    assert "payload" not in seen[0], "an address is personal: it is shown where it is asked for"
    shown = documents(await hcs_tasks.run("peek", "--reason", ours, "--limit", "1", "--payload"))
    assert [it["payload"] for it in shown] in ([{"to": "ann@example.com"}], ["{"]), "whichever lies first"
    await until_seen(hcs_tasks, ours, names)

    assert "3  purged" in await hcs_tasks.run("purge", "--reason", ours, "--because", "they were tests")
    await until_seen(hcs_tasks, ours, set())
    await until_seen(hcs_tasks, theirs, {f"{theirs}-1"})

    rows = [it for it in documents(await hcs_tasks.run("audit")) if it["reason"] == ours]
    assert {(it["action"], it["task_id"], it["because"]) for it in rows} == {
        ("purged", name, "they were tests") for name in names
    }
    assert len(rows) == len(names)
