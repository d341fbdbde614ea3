"""One write from its key to its answer: claim, work, store the answer, commit, settle, refresh the cache.

Every write runs under a key: the client's, or one of our own where there is none. So a COMMIT whose outcome is
unknown is settled for each of them by the same insert, and no client is ever told a guess.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from prometheus_client import Counter

from hcs_services import idempotency
from hcs_services.cache.entry import Change, list_change, order_change, product_change
from hcs_services.database.answers import as_problem
from hcs_services.database.connection import Connection
from hcs_services.database.errors import DatabaseFailure
from hcs_services.database.members import PrimaryPool
from hcs_services.database.settle import run_keyed
from hcs_services.http_conventions import etag
from hcs_services.tokens import ConsistencyToken
from hcs_services.write_api.repository import MySqlRepository, Repository
from hcs_services.write_api.service import Outcome

_OWN = "own "  # what the scopes of our own keys begin with; no client can name one

Work = Callable[[Repository, datetime], Awaitable[Outcome]]

REPLAYS = Counter("hcs_idempotent_replays_total", "Writes that were answered from their idempotency row.")


class Cache(Protocol):
    """The cache as writers use it: best effort, never raises because Redis is away."""

    async def put_many(self, changes: Iterable[Change]) -> bool:
        """Put committed states unless newer ones are held; False if some have to be put again."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the client gets: the body's bytes are those that were committed with the write."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Done:
    """A write that is in its transaction, or was found there: all but the token."""

    status: int
    headers: Mapping[str, str]
    entities: Mapping[str, int]
    body: bytes
    outcome: Outcome | None  # None: read from the idempotency row
    replayed: bool

    @property
    def stored_headers(self) -> dict[str, Any]:
        """What the idempotency row keeps beside status and body."""
        return {"headers": dict(self.headers), "entities": dict(self.entities)}


class UnitOfWork:
    """Runs writes."""

    def __init__(
        self,
        pool: PrimaryPool,
        cache: Cache,
        *,
        shard: int,
        token_key: Callable[[], bytes],
        committed: Callable[[], None],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._pool = pool
        self._cache = cache
        self._shard = shard
        self._token_key = token_key
        self._committed = committed
        self._clock = clock

    async def run(self, key: idempotency.Key, work: Work, *, settling: bool = False) -> Answer:
        """Do the work once under its key and answer; raises Problem. `settling`: it may have been committed before."""

        async def attempt(tx: Connection, settling: bool) -> Done:  # noqa: FBT001 - run_keyed's signature
            now = self._clock()
            stored = await idempotency.claim(tx, key, now=now, settling=settling)
            if stored is not None:
                # while settling, the row is our own: the first answer, not a replay
                return from_row(stored, replayed=not settling)
            done = from_outcome(await work(MySqlRepository(tx), now))
            await idempotency.save(tx, key, status=done.status, headers=done.stored_headers, body=done.body)
            return done

        try:
            done, gtid = await run_keyed(self._pool, attempt, settling=settling)
        except DatabaseFailure as error:
            raise as_problem(error) from error
        if done.outcome is not None:
            await self.follow_up([done.outcome])
        return self.answer(done, gtid)

    def answer(self, done: Done, gtid: str) -> Answer:
        """The answer to a write that is committed, and contained in this GTID set."""
        if done.replayed:
            REPLAYS.inc()
        token = ConsistencyToken(self._shard, gtid, done.entities).encode(self._token_key())
        replayed = {"Idempotency-Replayed": "true"} if done.replayed else {}
        return Answer(done.status, {**done.headers, "X-Consistency-Token": token, **replayed}, done.body)

    async def follow_up(self, outcomes: Sequence[Outcome]) -> None:
        """Wake the relay and refresh the cache after one commit, each entity once.

        Inline and best effort; the outbox rows of the same transaction repeat it at least once.
        """
        self._committed()
        changes = [
            *(order_change(order) for outcome in outcomes for order in outcome.orders),
            *(product_change(product) for outcome in outcomes for product in outcome.products),
            *(list_change(user, version) for outcome in outcomes for user, version in outcome.lists.items()),
        ]
        await self._cache.put_many({change.key: change for change in changes}.values())


def own_key(route: str, owner: str) -> idempotency.Key:
    """A key for a write whose client gave none."""
    return idempotency.Key(f"{_OWN}{route}", owner, secrets.token_hex(16), idempotency.body_hash(None))


def is_own(key: idempotency.Key) -> bool:
    """Whether the key is one of our own."""
    return key.scope.startswith(_OWN)


def client_key(route: str, owner: str, header: str | None, document: Any) -> idempotency.Key:
    """The client's key for this body, or one of our own; raises `malformed-idempotency-key`."""
    given = idempotency.parse_header(header)
    if given is None:
        return own_key(route, owner)
    return idempotency.Key(route, owner, given, idempotency.body_hash(document))


def from_outcome(outcome: Outcome) -> Done:
    """What a write that was just made answers."""
    headers = {"ETag": etag(outcome.document["version"])}
    if outcome.location is not None:
        headers["Location"] = outcome.location
    body = json.dumps(outcome.document, ensure_ascii=False, separators=(",", ":")).encode()
    return Done(outcome.status, headers, outcome.entities, body, outcome, replayed=False)


def from_row(stored: idempotency.Stored, *, replayed: bool) -> Done:
    """What a write that was made before answered then."""
    assert stored.status is not None
    assert stored.body is not None
    return Done(
        stored.status, stored.headers["headers"], stored.headers["entities"], bytes(stored.body), None, replayed
    )
