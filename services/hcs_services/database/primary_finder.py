"""One look for the primary: every member is asked for its own view at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from hcs_services.database.connection import Connection
from hcs_services.database.errors import server_is_full
from hcs_services.database.group_view import OWN_VIEW, View, choose, is_settled, view_of

PROBE_SECONDS = 2.0
_BETWEEN_LOOKS = 0.5


class PrimaryFinder:
    """Looks for the primary; `keep` takes the connections that were made for it, to use or to close."""

    def __init__(
        self,
        addresses: Callable[[], Awaitable[list[str]]],
        connect: Callable[[str], Awaitable[Connection]],
        keep: Callable[[Connection], None],
    ) -> None:
        self._addresses = addresses
        self._connect = connect
        self._keep = keep
        self._full: set[str] = set()

    async def find(self, current: str | None, suspect: str | None) -> str | None:
        """The primary's address, or None; `suspect` has just failed and is believed only if no other claims it."""
        try:
            addresses = await self._addresses()
        except OSError:
            # DNS is away: nothing new is known, and the connections at hand may still be good
            addresses = [current] if current is not None else []
        found, silent = await self._look(addresses, current, suspect)
        if silent:
            # too busy to answer is not demoted: one silent look closes nothing. The second follows at once, since a
            # primary that is gone is to be left within seconds
            await asyncio.sleep(_BETWEEN_LOOKS)
            found, _ = await self._look(addresses, current, suspect)
        return found

    async def _look(self, addresses: list[str], current: str | None, suspect: str | None) -> tuple[str | None, bool]:
        """The primary's address, and whether there is none because the current one was silent."""
        self._full.clear()
        views = await self._ask_all(addresses, suspect)
        found = choose(views, suspect)
        if found is None and current is not None and current in self._full:
            # closing what we have there would be an outage of our own making; a demoted one says so on what we have
            return current, False
        return found, found is None and current is not None and current not in views

    async def _ask_all(self, addresses: list[str], suspect: str | None) -> dict[str, View]:
        """Ask all at once; a majority that names an unsuspected one ends it, so that a dead member delays nobody."""
        asked = {asyncio.create_task(self._ask(address)): address for address in addresses}
        views: dict[str, View] = {}
        pending = set(asked)
        while pending:
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            views |= {asked[task]: view for task in done if (view := task.result()) is not None}
            if is_settled(views, suspect):
                break
        for task in pending:
            task.cancel()
        return views

    async def _ask(self, address: str) -> View | None:
        try:
            connection = await self._connect(address)
        except Exception as error:  # noqa: BLE001 - whatever the reason, this member does not say that it is primary
            if server_is_full(error):
                self._full.add(address)
            return None
        return await self.view(connection)

    async def view(self, connection: Connection) -> View | None:
        """Ask over this connection; it joins the idle ones if it leads to the primary, else it is closed."""
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                row = await connection.fetch_one(OWN_VIEW)
        except Exception:  # noqa: BLE001 - as above
            connection.close()
            return None
        self._keep(connection)
        return view_of(row) if row else None
