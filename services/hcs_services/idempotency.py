"""Idempotency keys: the header, and the row that settles who did the work.

The row is inserted in the transaction it protects, so its uniqueness decides between two requests with one key, and
between a commit whose outcome is unknown and its repetition. Only a 2xx outcome is ever stored: any other rolls back.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from hcs_services.identifiers import slot_of
from hcs_services.problem import Problem, problem

KEPT = timedelta(hours=24)
_VISIBLE = re.compile(r"[\x21-\x7e]{1,255}")
_COLUMNS = "body_hash, status, headers, body, task_id, accepted, used_at"
_DUPLICATE, _LOCK_NOWAIT, _LOCK_TIMEOUT = 1062, 3572, 1205


class Transaction(Protocol):
    """The part of a database connection that is used here, within an open transaction."""

    async def execute(self, sql: str, arguments: tuple[Any, ...] = ()) -> int:
        """Run a statement; returns the rows it changed."""

    async def fetch_one(self, sql: str, arguments: tuple[Any, ...] = ()) -> dict[str, Any] | None:
        """The first row, or None."""


class GroupTransaction(Transaction, Protocol):
    """The same, for many keys at once."""

    async def fetch_all(self, sql: str, arguments: tuple[Any, ...] = ()) -> list[dict[str, Any]]:
        """All rows."""


@dataclass(frozen=True, slots=True)
class Key:
    """Whose repetition is recognised: scope is the route, owner the user (payments: order; products: product)."""

    scope: str
    owner: str
    key: str
    body_hash: bytes

    @property
    def primary_key(self) -> tuple[str, str, str]:
        """The row's primary key."""
        return self.scope, self.owner, self.key


@dataclass(frozen=True, slots=True)
class Stored:
    """An outcome under a key: an answer (write API) or a task (async API; `accepted` once the broker confirmed it)."""

    status: int | None
    headers: Mapping[str, Any]
    body: bytes | None
    task_id: str | None
    accepted: bool


def parse_header(value: str | None) -> str | None:
    """The key of an `Idempotency-Key` header, None without one; raises `malformed-idempotency-key`."""
    if value is None:
        return None
    key = value.strip()
    if len(key) >= 2 and key[0] == key[-1] == '"':
        key = key[1:-1]
    if not _VISIBLE.fullmatch(key):
        raise problem("malformed-idempotency-key", "An Idempotency-Key is 1 to 255 visible ASCII characters.")
    return key


def body_hash(document: Any) -> bytes:
    """32 bytes that equal bodies share, whatever their whitespace and the order of their members."""
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode("ascii")).digest()


async def claim(
    tx: Transaction, key: Key, *, now: datetime, task_id: str | None = None, settling: bool = False
) -> Stored | None:
    """Take the key in this transaction (None), or return what was stored under it.

    Raises `idempotency-key-reused` for another body and `request-in-flight` while another transaction holds the row.
    `settling` follows a commit of unknown outcome: then the insert itself waits for the other transaction's end.
    """
    if not settling:
        stored = await _find(tx, key, now)
        if stored is not None:
            return stored
    try:
        await _insert(tx, key, now, task_id)
    except Exception as error:
        number = _error_number(error)
        if number == _LOCK_TIMEOUT and not settling:
            raise _in_flight() from None
        if number != _DUPLICATE:
            raise
        stored = await _find(tx, key, now)
        if stored is None:
            raise _in_flight() from None  # it expired between the two statements
        return stored
    return None


async def save(tx: Transaction, key: Key, *, status: int, headers: Mapping[str, Any], body: bytes) -> None:
    """Store the 2xx answer of the claimed key."""
    await tx.execute(
        "UPDATE idempotency_keys SET status=%s, headers=%s, body=%s WHERE scope=%s AND owner=%s AND idem_key=%s",
        (status, json.dumps(dict(headers)), body, *key.primary_key),
    )


async def find_many(tx: GroupTransaction, keys: Sequence[Key], now: datetime) -> list[Stored | Problem | None]:
    """For each key what `claim` would find before its insert: an outcome, a refusal, or None where it is free."""
    if not keys:
        return []
    marks = ", ".join(["(%s, %s, %s)"] * len(keys))
    values = tuple(part for key in keys for part in key.primary_key)
    try:
        # FORCE INDEX: a scan of a small table would meet the locks of keys that nobody asked for
        rows = await tx.fetch_all(
            f"SELECT scope, owner, idem_key, {_COLUMNS} FROM idempotency_keys FORCE INDEX (PRIMARY)"  # noqa: S608
            f" WHERE (scope, owner, idem_key) IN ({marks}) FOR SHARE NOWAIT",
            values,
        )
    except Exception as error:
        if _error_number(error) != _LOCK_NOWAIT:
            raise
        return [await _or_refusal(_find(tx, key, now)) for key in keys]  # one of them is in flight: see which
    held = {(row["scope"], row["owner"], row["idem_key"]): row for row in rows}
    return [await _or_refusal(_judge(tx, key, held.get(key.primary_key), now)) for key in keys]


async def insert_answers(
    tx: Transaction, answers: Sequence[tuple[Key, int, Mapping[str, Any], bytes]], *, now: datetime
) -> None:
    """Take keys that `find_many` found free together with their 2xx answers: (key, status, headers, body).

    In the order of the keys, as everyone does who takes several. The insert fails as a whole (1062) if another
    transaction has taken one of them meanwhile.
    """
    naive, ver = now.replace(tzinfo=None), int(now.timestamp() * 1_000_000)
    values: list[Any] = []
    for key, status, headers, body in sorted(answers, key=lambda answer: answer[0].primary_key):
        values += (*key.primary_key, key.body_hash, status, json.dumps(dict(headers)), body)
        values += (naive, naive, slot_of(key.owner), ver)
    marks = ", ".join(["(%s, %s, %s, %s, %s, %s, %s, 0, %s, %s, %s, %s)"] * len(answers))
    await tx.execute(
        "INSERT INTO idempotency_keys"  # noqa: S608 - marks only
        " (scope, owner, idem_key, body_hash, status, headers, body, accepted, created_at, used_at, slot, ver)"
        f" VALUES {marks}",
        tuple(values),
    )


async def mark_accepted(tx: Transaction, key: Key, *, now: datetime) -> None:
    """Note that the broker has confirmed the claimed key's task."""
    await tx.execute(
        "UPDATE idempotency_keys SET accepted=1, used_at=%s WHERE scope=%s AND owner=%s AND idem_key=%s",
        (now.replace(tzinfo=None), *key.primary_key),
    )


async def _find(tx: Transaction, key: Key, now: datetime) -> Stored | None:
    # FOR SHARE NOWAIT: replays do not disturb each other, a row being inserted answers 3572 at once.
    # READ COMMITTED takes no gap lock where there is no row, so two first requests meet at the insert.
    try:
        row = await tx.fetch_one(
            f"SELECT {_COLUMNS} FROM idempotency_keys"  # noqa: S608 - names are ours
            " WHERE scope=%s AND owner=%s AND idem_key=%s FOR SHARE NOWAIT",
            key.primary_key,
        )
    except Exception as error:
        if _error_number(error) == _LOCK_NOWAIT:
            raise _in_flight() from None
        raise
    return await _judge(tx, key, row, now)


async def _or_refusal(finding: Awaitable[Stored | None]) -> Stored | Problem | None:
    """What is found, or why it is refused: a group goes on with the others."""
    try:
        return await finding
    except Problem as refusal:
        return refusal


async def _judge(tx: Transaction, key: Key, row: dict[str, Any] | None, now: datetime) -> Stored | None:
    if row is None:
        return None
    if row["used_at"] < now.replace(tzinfo=None) - KEPT:
        await tx.execute("DELETE FROM idempotency_keys WHERE scope=%s AND owner=%s AND idem_key=%s", key.primary_key)
        return None
    if bytes(row["body_hash"]) != key.body_hash:
        raise reused()
    headers = json.loads(row["headers"]) if row["headers"] is not None else {}
    return Stored(row["status"], headers, row["body"], row["task_id"], bool(row["accepted"]))


async def _insert(tx: Transaction, key: Key, now: datetime, task_id: str | None) -> None:
    naive = now.replace(tzinfo=None)
    await tx.execute(
        "INSERT INTO idempotency_keys"
        " (scope, owner, idem_key, body_hash, task_id, accepted, created_at, used_at, slot, ver)"
        " VALUES (%s, %s, %s, %s, %s, 0, %s, %s, %s, %s)",
        (
            *key.primary_key,
            key.body_hash,
            task_id,
            naive,
            naive,
            slot_of(key.owner),
            int(now.timestamp() * 1_000_000),
        ),
    )


def reused() -> Problem:
    """The refusal of a key that came with another body before."""
    return problem("idempotency-key-reused", "This Idempotency-Key was used with another body.")


def _in_flight() -> Exception:
    return problem("request-in-flight", "A request with this Idempotency-Key is being worked on.", retry_after=1)


def _error_number(error: Exception) -> int | None:
    return error.args[0] if error.args and isinstance(error.args[0], int) else None
