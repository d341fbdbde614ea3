"""The port to instances over PyMySQL, in threads of its own: a hanging mysqld costs a thread, never the event loop."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TypeVar

from hcs_operator.api.database import Access, Facts, Instance
from hcs_operator.decide.database.steps import Export, SqlStep, target
from hcs_operator.mysql import errant, facts, steps
from hcs_operator.mysql.errors import Denied
from hcs_operator.mysql.session import Session, over_tls

T = TypeVar("T")

THREADS = 32
"""Instances asked at the same time."""
STEP_SECONDS = 10.0
"""For one statement of a step: STOP REPLICA waits for the transaction being applied."""


class MySQL:
    """`mysql.port.DatabasePort` against real instances. Close it when done."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="mysql")
        self._worked: dict[str, Access] = {}

    def close(self) -> None:
        """Let go of the threads; what is under way ends by its own time-outs."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def examine(self, instance: Instance) -> Facts:
        """Ask an instance about itself."""

        def ask() -> Facts:
            with self._session(instance, seconds=2.0) as session:
                return facts.examine(session, instance.role)

        return await self._in_thread(ask)

    async def perform(self, step: SqlStep) -> None:
        """Carry out one step."""
        instance = target(step)

        def do() -> None:
            with self._session(instance, seconds=STEP_SECONDS) as session:
                steps.perform(step, session, lambda other: self._session(other, seconds=STEP_SECONDS))

        await self._in_thread(do)

    async def export(self, step: Export) -> bytes:
        """Read an instance's own transactions, as the account that replicas read with."""
        instance = replace(step.instance, access=step.replication)

        def read() -> bytes:
            with over_tls(instance, statement_seconds=STEP_SECONDS) as session:
                return errant.read(session, step.errant)

        return await self._in_thread(read)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    @contextmanager
    def _session(self, instance: Instance, *, seconds: float) -> Iterator[Session]:
        """Log in; while a changed password is on its way to the agent, with the one that worked last."""
        with ExitStack() as opened:
            try:
                session = opened.enter_context(over_tls(instance, statement_seconds=seconds))
                self._worked[instance.host] = instance.access
            except Denied:
                last = self._worked.get(instance.host)
                if last is None or last.password == instance.access.password:
                    raise
                session = opened.enter_context(over_tls(replace(instance, access=last), statement_seconds=seconds))
            yield session
