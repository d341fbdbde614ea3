from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.services.played_mysql import MysqlError

from hcs_services.idempotency import Key, Stored, body_hash, claim, find_many, insert_answers, parse_header
from hcs_services.problem import Problem

NOW = datetime(2026, 11, 23, 20, 0, tzinfo=UTC)
KEY = Key("POST /orders", "ada", "k", body_hash({"a": 1}))


class Row:
    """A transaction that sees this row under the key, or none, and fails as told."""

    def __init__(
        self, found: dict[str, Any] | None = None, *, find: Exception | None = None, insert: Exception | None = None
    ) -> None:
        self.found = found
        self._find = find
        self._insert = insert
        self.statements: list[str] = []

    async def execute(self, sql: str, _arguments: tuple[Any, ...] = ()) -> int:
        self.statements.append(sql.split(maxsplit=1)[0])
        if sql.startswith("INSERT") and self._insert is not None:
            error, self._insert = self._insert, None
            raise error
        return 1

    async def fetch_one(self, sql: str, _arguments: tuple[Any, ...] = ()) -> dict[str, Any] | None:
        self.statements.append(sql.split(maxsplit=1)[0])
        if self._find is not None:
            raise self._find
        return self.found


def stored(**changes: Any) -> dict[str, Any]:
    row = {
        "body_hash": KEY.body_hash,
        "status": 201,
        "headers": '{"ETag": "1"}',
        "body": b"{}",
        "task_id": None,
        "accepted": 0,
        "used_at": NOW.replace(tzinfo=None),
    }
    return row | changes


async def test_a_new_key_is_taken() -> None:
    assert await claim(Row(), KEY, now=NOW) is None


async def test_a_known_key_gives_its_outcome_back() -> None:
    assert await claim(Row(stored()), KEY, now=NOW) == Stored(201, {"ETag": "1"}, b"{}", None, accepted=False)


@pytest.mark.parametrize(
    ("row", "slug"),
    [
        (Row(stored(body_hash=b"x" * 32)), "idempotency-key-reused"),
        (Row(find=MysqlError(3572, "NOWAIT")), "request-in-flight"),
        (Row(insert=MysqlError(1205, "lock wait")), "request-in-flight"),
        (Row(insert=MysqlError(1062, "duplicate")), "request-in-flight"),
    ],
    ids=["another body", "row being inserted", "insert waits too long", "gone between two statements"],
)
async def test_a_key_in_other_hands_is_refused(row: Row, slug: str) -> None:
    with pytest.raises(Problem) as refused:
        await claim(row, KEY, now=NOW)
    assert refused.value.slug == slug


async def test_a_lost_race_is_a_replay() -> None:
    class Racing(Row):
        async def fetch_one(self, sql: str, arguments: tuple[Any, ...] = ()) -> dict[str, Any] | None:
            found = await super().fetch_one(sql, arguments)
            self.found = stored()
            return found

    outcome = await claim(Racing(insert=MysqlError(1062, "duplicate")), KEY, now=NOW)

    assert outcome is not None
    assert outcome.status == 201


async def test_a_key_older_than_a_day_is_free_again() -> None:
    row = Row(stored(used_at=(NOW - timedelta(hours=24, seconds=1)).replace(tzinfo=None)))

    assert await claim(row, KEY, now=NOW) is None
    assert row.statements == ["SELECT", "DELETE", "INSERT"]


async def test_settling_begins_with_the_insert_that_waits_for_the_old_session() -> None:
    row = Row()

    assert await claim(row, KEY, now=NOW, settling=True) is None
    assert row.statements == ["INSERT"]


async def test_while_settling_a_lock_wait_is_no_refusal() -> None:
    with pytest.raises(MysqlError):
        await claim(Row(insert=MysqlError(1205, "lock wait")), KEY, now=NOW, settling=True)


@pytest.mark.parametrize(("value", "key"), [(None, None), ("a", "a"), ('"a b"', None), ('"abc"', "abc"), (" x ", "x")])
def test_quotes_around_a_key_are_optional(value: str | None, key: str | None) -> None:
    if value is not None and key is None:
        with pytest.raises(Problem):
            parse_header(value)
    else:
        assert parse_header(value) == key


@pytest.mark.parametrize("value", ["", '""', "x" * 256, "a b", "ä", "\x00", "a\tb"])
def test_a_malformed_key_is_a_400(value: str) -> None:
    with pytest.raises(Problem) as refused:
        parse_header(value)
    assert refused.value.status == 400


@given(st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters='"'), min_size=1, max_size=255))
def test_every_visible_key_is_taken_with_and_without_quotes(key: str) -> None:
    assert parse_header(key) == parse_header(f'"{key}"') == key


def test_the_hash_of_a_body_knows_no_order_and_no_white_space() -> None:
    assert body_hash({"a": 1, "b": "é"}) == body_hash({"b": "é", "a": 1})
    assert body_hash({"a": 1}) != body_hash({"a": 2})


class Rows:
    """A transaction that sees these rows, one of them locked by another perhaps."""

    def __init__(self, *rows: dict[str, Any], locked: str | None = None) -> None:
        self.rows = list(rows)
        self._locked = locked
        self.said: list[tuple[str, tuple[Any, ...]]] = []

    async def execute(self, sql: str, arguments: tuple[Any, ...] = ()) -> int:
        self.said.append((sql.split(maxsplit=1)[0], arguments))
        return 1

    async def fetch_one(self, _sql: str, arguments: tuple[Any, ...] = ()) -> dict[str, Any] | None:
        if self._locked == arguments[2]:
            raise MysqlError(3572, "NOWAIT")
        return next((row for row in self.rows if row["idem_key"] == arguments[2]), None)

    async def fetch_all(self, _sql: str, arguments: tuple[Any, ...] = ()) -> list[dict[str, Any]]:
        if self._locked in arguments:
            raise MysqlError(3572, "NOWAIT")
        return [row for row in self.rows if row["idem_key"] in arguments]


def named(name: str) -> Key:
    return Key("POST /orders", "ada", name, KEY.body_hash)


def row_of(name: str, **changes: Any) -> dict[str, Any]:
    return stored(**changes) | {"scope": "POST /orders", "owner": "ada", "idem_key": name}


@pytest.mark.parametrize("locked", [None, "held"], ids=["all free", "one held by another transaction"])
async def test_many_keys_are_found_as_each_would_be(locked: str | None) -> None:
    tx = Rows(row_of("done"), row_of("other", body_hash=b"x" * 32), locked=locked)

    found = await find_many(tx, [named(name) for name in ("new", "done", "other", "held")], NOW)

    held = found.pop()
    assert (None if locked is None else "request-in-flight") == (held.slug if isinstance(held, Problem) else held)
    new, done, other = found
    assert (new, done) == (None, Stored(201, {"ETag": "1"}, b"{}", None, accepted=False))
    assert isinstance(other, Problem)
    assert other.slug == "idempotency-key-reused"


async def test_an_old_key_of_many_is_free_again() -> None:
    tx = Rows(row_of("old", used_at=(NOW - timedelta(hours=24, seconds=1)).replace(tzinfo=None)))

    assert await find_many(tx, [named("old")], NOW) == [None]
    assert tx.said == [("DELETE", ("POST /orders", "ada", "old"))]


async def test_answers_are_kept_in_the_order_of_their_keys() -> None:
    tx = Rows()

    await insert_answers(tx, [(named("b"), 201, {}, b"B"), (named("a"), 201, {}, b"A")], now=NOW)

    ((_, arguments),) = tx.said
    assert [part for part in arguments if part in ("a", "b", b"A", b"B")] == ["a", b"A", "b", b"B"]
