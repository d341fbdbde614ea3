"""The write API's inside over real MySQL, with connections that a test can cut at the first COMMIT."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import Any

from tests.engine.mysql_servers import MysqlGroup
from tests.engine.write_api.cutting_proxy import CuttingProxy

from hcs_services import idempotency, models
from hcs_services.cache.entry import Change
from hcs_services.database.connection import Connection, account, open_connection
from hcs_services.database.members import PrimaryPool
from hcs_services.settings import Settings
from hcs_services.write_api.group_commit import OrderDesk
from hcs_services.write_api.service import WriteService
from hcs_services.write_api.unit import Answer, UnitOfWork


class NoCache:
    """A cache that takes everything."""

    async def put_many(self, changes: Iterable[Change]) -> bool:
        return bool(list(changes)) or True


class Rig:
    """A unit of work whose connections lead through a proxy, and what happens at each COMMIT."""

    def __init__(self, pool: PrimaryPool, settings: Settings) -> None:
        self.service = WriteService(task_key=lambda: settings.signing_key("task"))
        self.unit = UnitOfWork(
            pool,
            NoCache(),
            shard=0,
            token_key=lambda: settings.signing_key("consistency"),
            committed=lambda: None,
        )
        # nobody goes beside a group: all who come at once are in one
        patient = settings.model_copy(update={"order_group_wait_ms": 60_000.0})
        self.desk = OrderDesk(pool, self.unit, self.service, patient)

    async def order(self, product_id: str, key: str | None) -> tuple[int, dict[str, Any], dict[str, str]]:
        body = models.NewOrder(user_id="edsger", product_id=product_id, quantity=1, total_amount=None)
        claim = idempotency.Key("POST /orders", "edsger", key or secrets.token_hex(8), idempotency.body_hash("x"))
        answer = await self.unit.run(claim, lambda store, now: self.service.create_order(store, body, now))
        return answer.status, json.loads(answer.body), dict(answer.headers)

    async def group(self, *wanted: tuple[str, str, int]) -> list[Answer | BaseException]:
        """Orders placed together, (key, product, quantity) each; what each is answered or refused with."""

        async def one(key: str, product_id: str, quantity: int) -> Answer:
            body = models.NewOrder(user_id="edsger", product_id=product_id, quantity=quantity, total_amount=None)
            document = body.model_dump(mode="json")
            claim = idempotency.Key("POST /orders", "edsger", key, idempotency.body_hash(document))
            return await self.desk.place(claim, body)

        return await asyncio.gather(*(one(*order) for order in wanted), return_exceptions=True)


AtCommit = Callable[[CuttingProxy], None]


@contextlib.asynccontextmanager
async def rig(
    mysql_group: MysqlGroup, tier_environment: dict[str, str], at_first_commit: AtCommit | None = None
) -> AsyncIterator[Rig]:
    settings = _settings(tier_environment)
    async with disturbed_pool(mysql_group, tier_environment, at_first_commit) as pool:
        yield Rig(pool, settings)


def _settings(tier_environment: dict[str, str]) -> Settings:
    return Settings(
        database_members_host=tier_environment["DATABASE_MEMBERS_HOST"],
        credentials_dir=Path(tier_environment["HCS_CREDENTIALS_DIR"]),
    )


@contextlib.asynccontextmanager
async def disturbed_pool(
    mysql_group: MysqlGroup, tier_environment: dict[str, str], at_first_commit: AtCommit | None
) -> AsyncIterator[PrimaryPool]:
    """A pool whose connections lead through a proxy, which `at_first_commit` is given just before the first COMMIT."""
    settings = _settings(tier_environment)
    async with CuttingProxy(mysql_group.members_host, mysql_group.port) as proxy:
        login = account(
            settings.model_copy(update={"database_port": proxy.port}), "hcs_app", host=mysql_group.members_host
        )
        commits = 0

        async def connect(address: str) -> Connection:
            connection = await open_connection(login, address)
            commit = connection.commit

            async def disturbed(*, track_gtid: bool = False) -> None:
                nonlocal commits
                commits += 1
                if commits == 1 and at_first_commit is not None:
                    at_first_commit(proxy)
                    asyncio.get_running_loop().call_later(0.3, proxy.cut)
                await commit(track_gtid=track_gtid)

            connection.commit = disturbed  # type: ignore[method-assign]
            return connection

        async def addresses() -> list[str]:
            return ["127.0.0.1"]

        pool = PrimaryPool(addresses, connect, size=4)
        try:
            yield pool
        finally:
            await pool.close()


def lose_answer(proxy: CuttingProxy) -> None:
    proxy.lose_answers = True


def lose_request(proxy: CuttingProxy) -> None:
    proxy.lose_requests = True
