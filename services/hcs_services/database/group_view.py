"""What each member's own view says, and who the primary is; pure (40-database.md, "Finding the primary")."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

OWN_VIEW = (
    "SELECT COALESCE(SUM(MEMBER_STATE = 'ONLINE'), 0) AS online, COUNT(*) AS members,"
    " COALESCE(SUM(MEMBER_ID = @@server_uuid AND MEMBER_STATE = 'ONLINE' AND MEMBER_ROLE = 'PRIMARY'), 0) AS is_primary"
    " FROM performance_schema.replication_group_members"
)


@dataclass(frozen=True, slots=True)
class View:
    """What one member's own view says of itself."""

    online: int
    members: int
    is_primary: bool

    @property
    def writable(self) -> bool:
        """ONLINE, PRIMARY, and a majority of its view ONLINE."""
        return self.is_primary and self.online * 2 > self.members


def view_of(row: Mapping[str, Any]) -> View:
    """The view in a row of `OWN_VIEW`."""
    return View(int(row["online"]), int(row["members"]), bool(int(row["is_primary"])))


def choose(views: Mapping[str, View], suspect: str | None) -> str | None:
    """The primary's address. Of two that claim it (one just thawed), not the one that has just failed."""
    writable = sorted(address for address, view in views.items() if view.writable)
    trusted = [address for address in writable if address != suspect]
    candidates = trusted or writable
    return candidates[0] if candidates else None
