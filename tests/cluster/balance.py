"""What a ledger has counted."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Balance:
    """What a ledger has counted: what was acknowledged of each kind, what was refused, what had no sure answer at first,
    the reads of what was acknowledged that had none, what is lost and what is doubled, and the longest gap between two
    acknowledged orders in seconds. `wrong` names each that is lost or doubled, and what else does not add up.
    """

    orders: int = 0
    mails: int = 0
    payments: int = 0
    cancels: int = 0
    exports: int = 0
    refused: int = 0
    unknown: int = 0
    reads_failed: int = 0
    lost: int = 0
    doubled: int = 0
    wrong: tuple[str, ...] = ()
    gap: float = 0.0

    @property
    def acknowledged(self) -> int:
        """Writes that the product promised to keep."""
        return self.orders + self.mails + self.payments + self.cancels + self.exports

    def __str__(self) -> str:
        """A line for the report."""
        return (
            f"{self.orders} orders, {self.mails} mails, {self.payments} payments, "
            f"{self.cancels} cancels, {self.exports} reports and syncs acknowledged; "
            f"{self.refused} refused; {self.unknown} unknown at first, {self.reads_failed} reads without an answer; "
            f"lost {self.lost}, doubled {self.doubled}; "
            f"longest gap between acknowledged orders {self.gap:.1f} s"
        )
