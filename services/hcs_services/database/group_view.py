"""What each member's own view says, and who the primary is; pure (40-database.md, "Finding the primary").

Two can claim it: a primary that was frozen and expelled meanwhile believes for a while after its thaw that nothing has
happened. The views tell: VIEW_ID is `<when the group was founded>:<number>`, and the number grows by one with every
member that joins, leaves or is expelled. So a claim is void where a newer view of the same group names another primary
or none, and a majority that names the same primary leaves no room for another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# a member that is RECOVERING takes part in the consensus: one that joins costs nobody the majority
OWN_VIEW = (
    "SELECT COALESCE(SUM(MEMBER_STATE IN ('ONLINE', 'RECOVERING')), 0) AS reachable, COUNT(*) AS members,"
    " COALESCE(SUM(MEMBER_ID = @@server_uuid AND MEMBER_STATE = 'ONLINE' AND MEMBER_ROLE = 'PRIMARY'), 0)"
    " AS is_primary,"
    " MAX(IF(MEMBER_ROLE = 'PRIMARY', MEMBER_ID, NULL)) AS primary_id,"
    " (SELECT VIEW_ID FROM performance_schema.replication_group_member_stats WHERE MEMBER_ID = @@server_uuid)"
    " AS view_id"
    " FROM performance_schema.replication_group_members"
)


@dataclass(frozen=True, slots=True)
class View:
    """What one member's own view says. `group` and `number` are the halves of its VIEW_ID."""

    reachable: int
    members: int
    is_primary: bool
    primary_id: str | None = None
    group: str = ""
    number: int = 0

    @property
    def has_majority(self) -> bool:
        """Whether most of its view's members take part, as far as it knows."""
        return self.reachable * 2 > self.members

    @property
    def writable(self) -> bool:
        """ONLINE and PRIMARY, with a majority of its view."""
        return self.is_primary and self.has_majority

    def voids(self, other: View) -> bool:
        """Whether this view is newer than the other and names another primary, or none."""
        newer = self.has_majority and self.group == other.group and self.number > other.number
        return newer and self.primary_id != other.primary_id

    def supports(self, claim: View) -> bool:
        """Whether this view names the claim's primary."""
        return self.has_majority and self.group == claim.group and self.primary_id == claim.primary_id


def view_of(row: Mapping[str, Any]) -> View:
    """The view in a row of `OWN_VIEW`."""
    group, _, number = str(row["view_id"] or "").partition(":")
    return View(
        int(row["reachable"]),
        int(row["members"]),
        bool(int(row["is_primary"])),
        row["primary_id"],
        group,
        int(number) if number.isdecimal() else 0,
    )


def choose(views: Mapping[str, View], suspect: str | None) -> str | None:
    """The primary's address. Of two claims that stand, not the one that has just failed."""
    claims = {address: view for address, view in sorted(views.items()) if view.writable}
    standing = [address for address, claim in claims.items() if not any(it.voids(claim) for it in views.values())]
    trusted = [address for address in standing if address != suspect]
    candidates = trusted or standing
    return candidates[0] if candidates else None


def is_settled(views: Mapping[str, View], suspect: str | None) -> bool:
    """Whether those who have answered are enough: a majority names the one chosen, and it is not the suspect."""
    chosen = choose(views, suspect)
    if chosen is None or chosen == suspect:
        return False
    claim = views[chosen]
    return sum(view.supports(claim) for view in views.values()) * 2 > claim.members
