"""The port to instances: three calls, so that a test can play a whole group in memory; `client.MySQL` speaks SQL."""

from typing import Protocol

from hcs_operator.api.database import Facts, Instance
from hcs_operator.decide.database.steps import Export, SqlStep


class DatabasePort(Protocol):
    """Everything the operator asks of mysqld."""

    async def examine(self, instance: Instance) -> Facts:
        """Ask an instance about itself; raises `mysql.errors.DatabaseError`. Takes at most 3 seconds."""

    async def perform(self, step: SqlStep) -> None:
        """Carry out one step; raises `mysql.errors.DatabaseError`. Takes seconds: a clone goes on by itself."""

    async def export(self, step: Export) -> bytes:
        """Return an instance's own transactions as a gzipped binary log; raises `mysql.errors.DatabaseError`.

        `NotExported` when they cannot be saved: too large, or no longer in its logs. Takes at most a minute.
        """
