"""Orders placed together: those that come while a transaction is in flight share the next one.

An order alone costs a transaction, and the orders of a hot product queue for its row, one commit after the other. In a
group they cost one commit together. Each keeps its own key, its own answer and its own refusal. When the group fails
as one, each is placed alone, as `UnitOfWork` does, under its same key.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from prometheus_client import Counter, Histogram

from hcs_services import idempotency, models
from hcs_services.database.answers import as_problem
from hcs_services.database.connection import Connection
from hcs_services.database.errors import DatabaseFailure
from hcs_services.database.line import Alone, Group, Line, Seat
from hcs_services.database.members import PrimaryPool
from hcs_services.problem import Problem
from hcs_services.settings import Settings
from hcs_services.write_api import group_rows
from hcs_services.write_api.group_plan import Asked, Known, Plan, Repeat, plan, products_needed
from hcs_services.write_api.service import Outcome, WriteService, placed
from hcs_services.write_api.unit import Answer, Done, UnitOfWork, from_outcome, from_row, is_own

_ABREAST = 4

SIZES = Histogram(
    "hcs_order_group_size",
    "Orders that were placed, replayed or refused in one transaction.",
    buckets=(1, 2, 4, 8, 16, 32, 64, 128),
)
SPLITS = Counter(
    "hcs_order_groups_split_total",
    "Groups of orders whose one transaction failed (deadlock, lost connection, duplicate key); each went on alone.",
)

Reply = Answer | Problem
OrderGroup = Group[Asked, Reply]


class OrderDesk:
    """Places orders, in groups where several come at once."""

    def __init__(
        self,
        pool: PrimaryPool,
        unit: UnitOfWork,
        service: WriteService,
        settings: Settings,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._pool = pool
        self._unit = unit
        self._service = service
        self._clock = clock
        self._line: Line[Asked, Reply] = Line(
            self._transact,
            size=settings.order_group_size,
            abreast=min(_ABREAST, settings.database_pool_size),
            wait=settings.order_group_wait_ms / 1000,
            splits=SPLITS,
            lock_of=lambda asked: asked.order.product_id,
        )

    async def place(self, key: idempotency.Key, order: models.NewOrder) -> Answer:
        """Place an order once under its key and answer; raises Problem."""
        try:
            reply = await self._line.join(Asked(key, order))
        except DatabaseFailure as error:
            raise as_problem(error) from error
        if isinstance(reply, Problem):
            raise reply
        if isinstance(reply, Alone):
            return await self._unit.run(
                key, lambda rows, now: self._service.create_order(rows, order, now), settling=reply.settling
            )
        return reply

    async def _transact(self, group: OrderGroup) -> Awaitable[None]:
        async with self._pool.transaction(track_gtid=True) as tx:
            dones = await self._work(tx, group)
        return self._reply(group.seats, dones, tx.committed_gtid)

    async def _work(self, tx: Connection, group: OrderGroup) -> list[Done | Problem]:
        """Everything of the group's transaction; returns what becomes of each of `group.seats`."""
        now = self._clock()
        seats = group.board()
        known = await _known(tx, seats, now)
        needed = products_needed([seat.item for seat in seats], [known[seat] for seat in seats])
        products = await group_rows.lock_products(tx, needed)
        seats = group.commit_to()
        asked = [seat.item for seat in seats]
        decided = plan(asked, [known[seat] for seat in seats], products, now, self._service.free_order_id)
        group.writers.update(
            seat for seat, verdict in zip(seats, decided.verdicts, strict=True) if isinstance(verdict, Mapping)
        )
        if seats:
            SIZES.observe(len(seats))
        outcomes = await self._write(tx, decided, now) if decided.orders else {}
        dones = _dones(decided, outcomes)
        await _keep(tx, asked, dones, now)
        return dones

    async def _write(self, tx: Connection, decided: Plan, now: datetime) -> dict[int, Outcome]:
        """Write what was decided, all but the keys; returns the outcome of each new order by its id."""
        await group_rows.take_stock(tx, decided.products)
        await group_rows.insert_orders(tx, decided.orders)
        generations = await group_rows.bump_lists(tx, decided.users, now)
        products = {taken.row["product_id"]: taken.row for taken in decided.products}
        documents = {name: models.product_document(row) for name, row in products.items()}
        outcomes = {
            order["order_id"]: placed(
                models.order_document(order), documents[order["product_id"]], generations[order["user_id"]]
            )
            for order in decided.orders
        }
        promises = [
            (kind, payload, outcome.document["user_id"])
            for outcome in outcomes.values()
            for kind, payload in self._service.promises(
                outcome.document, products[outcome.document["product_id"]]["name"], now
            )
        ]
        await group_rows.add_to_outbox(tx, promises, now)
        return outcomes

    async def _reply(self, seats: Sequence[Seat[Asked, Reply]], dones: Sequence[Done | Problem], gtid: str) -> None:
        """After the commit: the cache, then the answers."""
        outcomes = [done.outcome for done in dones if isinstance(done, Done) and done.outcome is not None]
        if outcomes:
            await self._unit.follow_up(outcomes)
        for seat, done in zip(seats, dones, strict=True):
            seat.settle(done if isinstance(done, Problem) else self._unit.answer(done, gtid))


async def _known(tx: Connection, seats: Sequence[Seat[Asked, Reply]], now: datetime) -> dict[Seat[Asked, Reply], Known]:
    """What is stored under each one's key; a key of our own making is new, so nobody has to look."""
    keyed = [seat for seat in seats if not is_own(seat.item.key)]
    found = await idempotency.find_many(tx, [seat.item.key for seat in keyed], now)
    return dict.fromkeys(seats) | dict(zip(keyed, found, strict=True))


def _dones(decided: Plan, outcomes: Mapping[int, Outcome]) -> list[Done | Problem]:
    dones: list[Done | Problem] = []
    for verdict in decided.verdicts:
        if isinstance(verdict, Problem):
            dones.append(verdict)
        elif isinstance(verdict, Repeat):
            first = dones[verdict.of]
            assert isinstance(first, Done)
            dones.append(replace(first, outcome=None, replayed=True))
        elif isinstance(verdict, idempotency.Stored):
            dones.append(from_row(verdict, replayed=True))
        else:
            dones.append(from_outcome(outcomes[verdict["order_id"]]))
    return dones


async def _keep(tx: Connection, asked: Sequence[Asked], dones: Sequence[Done | Problem], now: datetime) -> None:
    """Store the answers of what was written under their keys."""
    answers = [
        (each.key, done.status, done.stored_headers, done.body)
        for each, done in zip(asked, dones, strict=True)
        if isinstance(done, Done) and done.outcome is not None
    ]
    if answers:
        await idempotency.insert_answers(tx, answers, now=now)
