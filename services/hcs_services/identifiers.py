"""Identifiers of products, users, orders and tasks: pure, checkable without touching a store.

Products and users are named by their callers, within `ID_PATTERN` and `ID_MAX_LENGTH`.

An order id is 63 bits: 41 of milliseconds since 2025-01-01, 12 of the user's slot, 10 random. Its public form is 13
digits of Crockford base32 and his check symbol (value mod 37, https://www.crockford.com/base32.html), which catches
every single wrong and every swapped pair of neighbouring characters: a mistyped or invented id is a 404 at no cost.

A task id carries its type and its time under a MAC, so that one which no store knows yet can be called queued.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import xxhash

EPOCH = datetime(2025, 1, 1, tzinfo=UTC)
SLOTS = 4096
MAX_ORDER_ID = 2**63 - 1
ID_MAX_LENGTH = 64
# no "." and "..": as segments of a path they are resolved away (RFC 3986, 5.2.4), so nobody could read such a thing
ID_PATTERN = r"^(\.*[A-Za-z0-9_-][A-Za-z0-9._-]*|\.{3,})$"

_ID = re.compile(ID_PATTERN)
_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_CHECKS = _DIGITS + "*~$=U"
_VALUES = {digit: value for value, digit in enumerate(_DIGITS)}
_ORDER_DIGITS = 13
ORDER_ID_PATTERN = rf"^[0-7][{_DIGITS}]{{12}}[{_DIGITS}*~$=U]$"

TASK_TYPES: dict[str, int] = {
    "send_email": 1,
    "generate_report": 2,
    "process_payment": 3,
    "sync_data": 4,
    "refund_payment": 5,  # made by the outbox relay only
}
_TASK_TYPE_NAMES = {code: name for name, code in TASK_TYPES.items()}
_TASK_BYTES, _MAC_BYTES = 25, 10
TASK_ID_PATTERN = r"^[0-9A-V]{40}$"


def is_id(text: str) -> bool:
    """Whether a product or a user can have this id."""
    return len(text) <= ID_MAX_LENGTH and _ID.fullmatch(text) is not None


def slot_of(user_id: str) -> int:
    """The slot, 0 to 4095, that every row of this user carries."""
    return xxhash.xxh64_intdigest(user_id.encode("utf-8")) & (SLOTS - 1)


def compose_order_id(at: datetime, slot: int, random_bits: int) -> int:
    """Put an order id together from its three fields; `at` is aware and not before 2025."""
    milliseconds = (at - EPOCH) // timedelta(milliseconds=1)
    if not 0 <= milliseconds < 2**41:
        raise ValueError("the time does not fit an order id")
    return (milliseconds << 22) | ((slot & (SLOTS - 1)) << 10) | (random_bits & 1023)


def new_order_id(user_id: str, now: datetime, randbelow: Callable[[int], int] = secrets.randbelow) -> int:
    """A new order id for this user, of those whose check symbol is a letter or a digit (it stands in URLs)."""
    slot = slot_of(user_id)
    while True:
        order_id = compose_order_id(now, slot, randbelow(1024))
        if _CHECKS[order_id % 37].isalnum():
            return order_id


def public_order_id(order_id: int) -> str:
    """The 14 characters that clients see; raises ValueError outside 63 bits."""
    if not 0 <= order_id <= MAX_ORDER_ID:
        raise ValueError("an order id has 63 bits")
    digits = [_DIGITS[(order_id >> shift) & 31] for shift in range((_ORDER_DIGITS - 1) * 5, -1, -5)]
    return "".join(digits) + _CHECKS[order_id % 37]


def parse_order_id(text: str) -> int | None:
    """The order id of its one canonical public form, None for anything else."""
    if len(text) != _ORDER_DIGITS + 1:
        return None
    value = 0
    for character in text[:_ORDER_DIGITS]:
        digit = _VALUES.get(character)
        if digit is None:
            return None
        value = value << 5 | digit
    if value > MAX_ORDER_ID or _CHECKS[value % 37] != text[_ORDER_DIGITS]:
        return None
    return value


@dataclass(frozen=True, slots=True)
class TaskId:
    """What a task id says about its task; `created_at` is aware UTC, to the millisecond."""

    type: str
    created_at: datetime


def to_millisecond(at: datetime) -> datetime:
    """The time as a task's id says it."""
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def new_task_id(key: bytes, type: str, now: datetime) -> str:  # noqa: A002 - the field's name in the API
    """40 characters of base32hex: 6 bytes of milliseconds, 1 of type, 8 random, 10 of MAC; sorts by time."""
    milliseconds = (now - EPOCH) // timedelta(milliseconds=1)
    head = milliseconds.to_bytes(6, "big") + bytes([TASK_TYPES[type]]) + secrets.token_bytes(8)
    return base64.b32hexencode(head + _task_mac(key, head)).decode("ascii")


def parse_task_id(key: bytes, text: str) -> TaskId | None:
    """What the id says, or None if it is not one that this stack has given out."""
    if len(text) != 40 or not text.isascii():
        return None
    try:
        raw = base64.b32hexdecode(text)
    except ValueError:
        return None
    head, mac = raw[: _TASK_BYTES - _MAC_BYTES], raw[_TASK_BYTES - _MAC_BYTES :]
    name = _TASK_TYPE_NAMES.get(head[6])
    if name is None or not hmac.compare_digest(mac, _task_mac(key, head)):
        return None
    return TaskId(name, EPOCH + timedelta(milliseconds=int.from_bytes(head[:6], "big")))


def _task_mac(key: bytes, head: bytes) -> bytes:
    return hmac.new(key, b"task:" + head, hashlib.sha256).digest()[:_MAC_BYTES]
