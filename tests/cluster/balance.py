"""What a ledger has counted."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Balance:
    """What a ledger whose sums hold has counted: what was acknowledged of each kind, what was refused, what had no sure
    answer at first, and the longest gap between two acknowledged orders in seconds. None was lost and none doubled, or
    there would be no balance.
    """

    orders: int
    mails: int
    payments: int
    cancels: int
    exports: int
    refused: int
    unknown: int
    gap: float

    @property
    def acknowledged(self) -> int:
        """Writes that the product promised to keep."""
        return self.orders + self.mails + self.payments + self.cancels + self.exports

    def __str__(self) -> str:
        """A line for the report."""
        return (
            f"{self.orders} orders, {self.mails} mails, {self.payments} payments, "
            f"{self.cancels} cancels, {self.exports} reports and syncs acknowledged; "
            f"{self.refused} refused; {self.unknown} unknown, all settled; lost 0, doubled 0; "
            f"longest gap between acknowledged orders {self.gap:.1f} s"
        )
