"""What is stored under a key, and when it should be read anew. Pure.

On the wire an entry is a short ASCII head and the document's JSON: `version|stored|lifetime|δ|flag|{…}`, times in
milliseconds. The version comes first so that a script can compare it without parsing the rest. Version 0 is a null
entry: "the database has no such row", which any write beats.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Flag = Literal["v", "n", "t"]
VALUE: Flag = "v"
NULL: Flag = "n"
TOMBSTONE: Flag = "t"
_FLAGS: dict[bytes, Flag] = {b"v": VALUE, b"n": NULL, b"t": TOMBSTONE}


@dataclass(frozen=True, slots=True)
class Entry:
    """One cached state of one entity. `data` is the document as JSON, None for a null entry or a tombstone.

    `stored_ms` is Unix time; the entry is due to be read again `lifetime_ms` later and vanishes physically at about
    twice that, so that there is something to serve while one reader renews it. `delta_ms` is what loading it cost.
    """

    version: int
    data: bytes | None
    stored_ms: int
    lifetime_ms: int
    delta_ms: int = 0
    flag: Flag = VALUE

    def expired(self, now_ms: float) -> bool:
        """Whether its logical life is over."""
        return now_ms >= self.stored_ms + self.lifetime_ms

    def refresh_due(self, now_ms: float, uniform: float) -> bool:
        """XFetch (Vattani, Chierichetti, Lowenstein 2015, β = 1): renew early, the likelier the nearer the end is.

        `uniform` is a draw from (0, 1]; the cost δ widens the window, so that a load ends before the entry does.
        """
        return now_ms - self.delta_ms * math.log(uniform) >= self.stored_ms + self.lifetime_ms

    def age_seconds(self, now_ms: float) -> int:
        """Whole seconds since it was read from the database or written after a commit; clocks may differ a little."""
        return max(0, int(now_ms - self.stored_ms) // 1000)

    def encode(self) -> bytes:
        """The bytes that `decode` takes."""
        head = f"{self.version}|{self.stored_ms}|{self.lifetime_ms}|{self.delta_ms}|{self.flag}|"
        return head.encode("ascii") + (self.data or b"")


def decode(raw: bytes) -> Entry | None:
    """The entry of its bytes; None for bytes of another format, which count as a miss."""
    parts = raw.split(b"|", 5)
    if len(parts) != 6:
        return None
    *numbers, flag, data = parts
    try:
        version, stored, lifetime, delta = (int(number) for number in numbers)
        kind = _FLAGS[flag]
    except (ValueError, KeyError):
        return None
    return Entry(version, data if kind == VALUE else None, stored, lifetime, delta, kind)


def physical_lifetime_ms(lifetime_ms: int, jitter: float, uniform: float) -> int:
    """Twice the logical life, ± `jitter` of that, so that keys stored together do not vanish together.

    `uniform` is a draw from [0, 1).
    """
    return max(1, round(2 * lifetime_ms * (1 + jitter * (2 * uniform - 1))))


@dataclass(frozen=True, slots=True)
class Change:
    """One committed state for the cache: `document` None means deleted at that version."""

    key: str
    version: int
    document: Mapping[str, Any] | None


def to_json(document: Mapping[str, Any]) -> bytes:
    """A document as it is stored and sent."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def order_key(public_id: str) -> str:
    """The key of an order, and its name in a consistency token."""
    return f"o:{public_id}"


def product_key(product_id: str) -> str:
    """The key of a product, and its name in a consistency token."""
    return f"p:{product_id}"


def list_key(user_id: str) -> str:
    """The key of the generation of a user's order list, and its name in a consistency token."""
    return f"l:{user_id}"


def page_key(user_id: str, generation: int, limit: int, cursor: str) -> str:
    """The key of one page; a new generation makes all older pages unreachable, they go by their expiry."""
    return f"lp:{user_id}:{generation}:{limit}:{cursor}"


def order_change(document: Mapping[str, Any]) -> Change:
    """The change that an order's document stands for."""
    return Change(order_key(document["order_id"]), document["version"], document)


def product_change(document: Mapping[str, Any]) -> Change:
    """The change that a product's document stands for."""
    return Change(product_key(document["product_id"]), document["version"], document)


def list_change(user_id: str, version: int) -> Change:
    """The new generation of a user's order list."""
    return Change(list_key(user_id), version, {"version": version})
