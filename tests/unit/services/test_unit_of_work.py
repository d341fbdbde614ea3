from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.unit.services.played_mysql import Group, Member, MysqlError

from hcs_services import idempotency, request_context, tokens
from hcs_services.cache.entry import Change
from hcs_services.database import members, settle
from hcs_services.database.errors import StatementTimeout
from hcs_services.database.members import PrimaryPool
from hcs_services.problem import Problem
from hcs_services.write_api.repository import Repository
from hcs_services.write_api.service import Outcome
from hcs_services.write_api.unit import UnitOfWork, client_key

NOW = datetime(2026, 11, 23, 20, 0, tzinfo=UTC)
DOCUMENT = {"order_id": "X", "version": 5}
FIND = (
    "SELECT body_hash, status, headers, body, task_id, accepted, used_at FROM idempotency_keys"
    " WHERE scope=%s AND owner=%s AND idem_key=%s FOR SHARE NOWAIT"
)


class Redis:
    """A cache that remembers."""

    def __init__(self) -> None:
        self.keys: list[str] = []

    async def put_many(self, changes: Iterable[Change]) -> bool:
        self.keys += [change.key for change in changes]
        return False  # away: no write may depend on it


class Rig:
    """A unit of work over one played primary."""

    def __init__(self) -> None:
        self.member = Member(primary=True)
        self.group = Group(a=self.member)
        self.redis = Redis()
        self.committed = 0
        self.worked = 0
        connect: Any = self.group.connect
        self.unit = UnitOfWork(
            PrimaryPool(self.group.addresses, connect, size=2),
            self.redis,
            shard=0,
            token_key=lambda: b"key",
            committed=self._note,
            clock=lambda: NOW,
        )

    def _note(self) -> None:
        self.committed += 1

    async def work(self, _rows: Repository, _now: datetime) -> Outcome:
        self.worked += 1
        return Outcome(201, DOCUMENT, "/api/v1/orders/X", orders=(DOCUMENT,), lists={"ada": 9})


KEY = idempotency.Key("POST /orders", "ada", "k", idempotency.body_hash("x"))


@pytest.fixture
def rig(monkeypatch: pytest.MonkeyPatch) -> Rig:
    monkeypatch.setattr(members, "_PAUSE", (0.001, 0.002))
    monkeypatch.setattr(settle, "_PAUSE", (0.001, 0.002))
    monkeypatch.setattr(tokens, "_GTID_SET", re.compile(".*"))  # the played server prints "gtid"
    return Rig()


def stored(**changes: Any) -> dict[str, Any]:
    headers = {"headers": {"ETag": '"5"', "Location": "/x"}, "entities": {"o:X": 5}}
    row = {
        "body_hash": KEY.body_hash,
        "status": 201,
        "headers": json.dumps(headers),
        "body": b"bytes as they were",
        "task_id": None,
        "accepted": 0,
        "used_at": NOW.replace(tzinfo=None),
    }
    return row | changes


async def test_a_write_is_answered_with_its_tag_and_a_token_of_what_it_wrote(rig: Rig) -> None:
    answer = await rig.unit.run(KEY, rig.work)

    assert (answer.status, json.loads(answer.body)) == (201, DOCUMENT)
    assert (answer.headers["ETag"], answer.headers["Location"]) == ('"5"', "/api/v1/orders/X")
    token = tokens.decode(b"key", answer.headers["X-Consistency-Token"])
    assert (token.gtid, token.entities) == ("gtid", {"o:X": 5, "l:ada": 9})
    assert "Idempotency-Replayed" not in answer.headers
    assert (rig.committed, rig.redis.keys) == (1, ["o:X", "l:ada"])


async def test_a_replay_is_the_stored_bytes_and_writes_nothing(rig: Rig) -> None:
    rig.member.answers[FIND] = stored()

    answer = await rig.unit.run(KEY, rig.work)

    assert (answer.status, answer.body) == (201, b"bytes as they were")
    assert answer.headers["Idempotency-Replayed"] == "true"
    assert tokens.decode(b"key", answer.headers["X-Consistency-Token"]).entities == {"o:X": 5}
    assert (rig.worked, rig.committed, rig.redis.keys) == (0, 0, [])


async def test_a_row_found_while_settling_is_the_first_answer_and_no_replay(rig: Rig) -> None:
    rig.member.answers["COMMIT"] = MysqlError(2013, "lost")

    async def work(rows: Repository, now: datetime) -> Outcome:
        rig.member.answers[FIND] = stored()  # it had been committed
        return await rig.work(rows, now)

    def at_commit() -> None:
        if rig.member.statements.count("BEGIN") > 1:
            rig.member.answers.pop("COMMIT", None)

    rig.member.at_commit = at_commit
    insert = (
        "INSERT INTO idempotency_keys"
        " (scope, owner, idem_key, body_hash, task_id, accepted, created_at, used_at, slot, ver)"
        " VALUES (%s, %s, %s, %s, %s, 0, %s, %s, %s, %s)"
    )

    async def then_duplicate(rows: Repository, now: datetime) -> Outcome:
        outcome = await work(rows, now)
        rig.member.answers[insert] = MysqlError(1062, "duplicate")
        return outcome

    answer = await rig.unit.run(KEY, then_duplicate)

    assert answer.body == b"bytes as they were"
    assert "Idempotency-Replayed" not in answer.headers
    assert rig.worked == 1


async def test_without_a_primary_the_answer_is_503_and_when_to_come_back(rig: Rig) -> None:
    rig.member.primary = False
    request_context.set_deadline(time.monotonic() + 0.05)

    with pytest.raises(Problem) as refused:
        await rig.unit.run(KEY, rig.work)

    request_context.set_deadline(None)
    assert (refused.value.status, refused.value.slug, refused.value.retry_after) == (503, "database-unavailable", 1)


async def test_a_request_whose_time_ends_in_its_transaction_is_a_504_that_blames_nobody(rig: Rig) -> None:
    async def late(_rows: Repository, _now: datetime) -> Outcome:
        request_context.set_deadline(time.monotonic())
        raise StatementTimeout(0.1)

    with pytest.raises(Problem) as refused:
        await rig.unit.run(KEY, late)

    request_context.set_deadline(None)
    assert (refused.value.status, refused.value.slug, refused.value.retry_after) == (504, "deadline-exceeded", None)


async def test_an_outcome_that_stays_unknown_is_said_so(rig: Rig) -> None:
    rig.member.answers["COMMIT"] = MysqlError(2013, "lost")
    request_context.set_deadline(time.monotonic() + 0.1)

    with pytest.raises(Problem) as refused:
        await rig.unit.run(KEY, rig.work)

    request_context.set_deadline(None)
    assert (refused.value.slug, refused.value.retryable) == ("outcome-unknown", True)


def test_a_write_without_a_key_gets_one_of_its_own() -> None:
    one, other = (client_key("POST /orders", "ada", None, {}) for _ in range(2))

    assert one.key != other.key
    assert one.scope != "POST /orders"  # no client can name it
