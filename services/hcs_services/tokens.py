"""Consistency tokens: what a writer has seen committed, signed, for the next reader.

A token names its shard's GTID set and the entities written with their versions. It is opaque to clients; the MAC is
there because its GTID set becomes part of a query and of a wait on a replica.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

MAX_LENGTH = 4096
_MAC_BYTES = 16
# uuid[:tag]:interval[:interval]… joined by commas, as @@GLOBAL.gtid_executed prints it without its newlines
_SID = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_GTID_SET = re.compile(rf"(?:{_SID}(?::[a-z_][a-z0-9_]{{0,31}}|:\d{{1,19}}(?:-\d{{1,19}})?)+(?:,(?!$)|$))*")


class BadToken(Exception):
    """The text is not a token that this stack has signed."""


@dataclass(frozen=True, slots=True)
class ConsistencyToken:
    """A point in a shard's history. Entities: `o:<order public id>`, `p:<product_id>`, `l:<user_id>` → version."""

    shard: int
    gtid: str
    entities: Mapping[str, int]

    def encode(self, key: bytes) -> str:
        """URL-safe text: payload and its MAC."""
        payload = json.dumps([self.shard, self.gtid, dict(self.entities)], separators=(",", ":")).encode("ascii")
        return base64.urlsafe_b64encode(_mac(key, payload) + payload).rstrip(b"=").decode("ascii")


def decode(key: bytes, text: str) -> ConsistencyToken:
    """The token of its text; raises BadToken for anything that was not encoded with this key."""
    if not text or len(text) > MAX_LENGTH or not text.isascii():
        raise BadToken("not a token")
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise BadToken("not base64") from None
    mac, payload = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
    if not hmac.compare_digest(mac, _mac(key, payload)):
        raise BadToken("badly signed")
    shard, gtid, entities = json.loads(payload)
    if not _GTID_SET.fullmatch(gtid):
        raise BadToken("not a GTID set")
    return ConsistencyToken(shard, gtid, entities)


def normalise_gtid(gtid_set: str) -> str:
    """A GTID set as MySQL prints it, without the newlines between its sources."""
    return "".join(gtid_set.split())


def _mac(key: bytes, payload: bytes) -> bytes:
    return hmac.new(key, b"consistency:" + payload, hashlib.sha256).digest()[:_MAC_BYTES]
