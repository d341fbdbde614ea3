"""What faults did, series by series, and the page, table and plot that show it. Pure."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from math import inf
from statistics import median

from hack.dot_plot import dot_plot

HEAD = (
    "| fault | runs | acknowledged | refused | settled by their key | lost | doubled | series that failed "
    "| gap at the write API (s): median, worst | gap at the client (s): median, worst | target |"
)


@dataclass(frozen=True)
class Target:
    """What a fault may cost: gaps in seconds, and what no number says."""

    worst: float = inf
    median: float = inf
    besides: str = ""
    reason: str = ""
    """Why the gaps are as long as they are, where that is known: told where they are too long or have no bound."""

    def __str__(self) -> str:
        """As a cell of the table."""
        worst = f"≤ {self.worst:g}" + (" worst" if self.median < inf else "")
        said = [f"≤ {self.median:g} median"] if self.median < inf else []
        return ", ".join([*said, *([worst] if self.worst < inf else []), *([self.besides] if self.besides else [])])

    def missed(self, gaps: Sequence[float]) -> list[str]:
        """What was too long, in words."""
        if not gaps:
            return []
        pairs = (("median", median(gaps), self.median), ("worst", max(gaps), self.worst))
        return [f"{name} {found:.1f} s, not ≤ {bound:g}" for name, found, bound in pairs if found > bound]


@dataclass(frozen=True)
class Series:
    """Runs of one fault under one load. The gaps of a run are the longest in seconds between two acknowledged orders. Before
    2026-11-30 only a series whose ledger balanced came on record.
    """

    fault: str
    on: str
    """The day, as 2026-11-24."""
    acknowledged: int
    refused: int
    unknown: int
    """Orders, tasks and cancels without a sure answer at first; all were settled by their keys."""
    gaps_at_service: list[float]
    gaps_at_client: list[float]
    lost: int = 0
    doubled: int = 0
    wrong: str = ""
    """What made the series fail, in one line."""


def wanted(series: Iterable[Series], runs: Mapping[str, int], at_once: int) -> list[tuple[str, int]]:
    """(fault, runs) of the series that are missing until each fault has its `runs`, at most `at_once` in each. What
    failed proves none.

    Every fault comes once before any comes again, so that a record that is stopped half-way is even.
    """
    counts = Counter[str]()
    for one in series:
        counts[one.fault] += 0 if one.wrong else len(one.gaps_at_client)
    missing = {fault: number - counts[fault] for fault, number in runs.items()}
    rounds = -(-max([0, *missing.values()]) // at_once)
    left = [
        (fault, min(at_once, number - done * at_once)) for done in range(rounds) for fault, number in missing.items()
    ]
    return [(fault, number) for fault, number in left if number > 0]


def in_a_line(wrong: Sequence[str]) -> str:
    """What was wrong as one line: the first five, and how many more there are."""
    more = [f"{len(wrong) - 5} more"] if len(wrong) > 5 else []
    return "; ".join(" ".join(one.split())[:300] for one in [*wrong[:5], *more])


def longest_gap(log: Iterable[str]) -> float:
    """Seconds between two orders that the write API answered with 201, at the most; `log` are its pods' JSON lines in
    any order.
    """
    orders = []
    for line in log:
        entry = json.loads(line) if line.startswith("{") else {}
        if entry.get("event") == "request" and entry.get("route") == "/api/v1/orders" and entry.get("status") == 201:
            orders.append(datetime.fromisoformat(entry["timestamp"]))
    return max(((later - earlier).total_seconds() for earlier, later in pairwise(sorted(orders))), default=0.0)


def page(series: Sequence[Series], targets: Mapping[str, Target]) -> str:
    """The Markdown page."""
    days = sorted({one.on for one in series})
    since = f"these are from {days[0]} to {days[-1]}" if days else "none is on record yet"
    return f"""# What faults do

Written by `make chaos` from `reliability.json`, to which it adds until each fault has its runs; {since}. Each run: the sample stack with three members on the three nodes of a kind cluster on one small machine, 20 orders, each read at once by its token, 5 tasks and their cancels a second through the gateway; at least 200 orders
acknowledged between two faults, and every acknowledged order is there. After five runs at the most, whatever had no sure answer is sent again under its key, and the ledger must balance: every acknowledged order there, none that was refused, stock, charges, refunds, mails, reports and syncs as they must be.
What is lost and doubled is counted there. A series fails if its ledger does not balance, if the load does not go on, or if a request fails where none may: it is on record with what was wrong, and neither its runs nor its gaps count.

{table(series, targets)}
{remarks(series, targets)}
![the longest gap of each run, at the client](reliability.svg)

The gap at the write API is between two answers of 201 in its logs; the one at the client has the gateway's breaker, retries and the network in it.
"""


def table(series: Iterable[Series], targets: Mapping[str, Target]) -> str:
    """A Markdown table, a row for each fault of `targets` that was run."""
    lines = [HEAD, "|" + "---|" * 11]
    for fault, group in _by_fault(series, targets):
        whole = [one for one in group if not one.wrong]
        service, client = _gaps(whole)
        cells = [
            fault,
            str(len(client)),
            str(sum(one.acknowledged for one in whole)),
            str(sum(one.refused for one in whole)),
            str(sum(one.unknown for one in whole)),
            str(sum(one.lost for one in group)),
            str(sum(one.doubled for one in group)),
            str(len(group) - len(whole)),
            *(f"{median(gaps):.1f}, {max(gaps):.1f}" if gaps else "–" for gaps in (service, client)),
            f"{targets[fault]}{': **missed**' if _missed(whole, targets[fault]) else ''}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def remarks(series: Iterable[Series], targets: Mapping[str, Target]) -> str:
    """Markdown lists of the targets that were missed and why, and of the series that failed."""
    gaps, failed = [], []
    for fault, group in _by_fault(series, targets):
        target, missed = targets[fault], _missed([one for one in group if not one.wrong], targets[fault])
        if missed:
            gaps.append(f"- {fault}: {'; '.join(missed)}: {target.reason or 'why is not known'}.")
        elif target.reason and min(target.worst, target.median) == inf:
            gaps.append(f"- {fault}: {target.reason}.")
        failed += [f"- {fault}, {one.on}: {one.wrong}" for one in group if one.wrong]
    parts = (("Gaps that are longer than they should be, or have no bound:", gaps), ("Series that failed:", failed))
    return "\n".join(f"{title}\n\n{chr(10).join(lines)}\n" for title, lines in parts if lines)


def plot(series: Iterable[Series], targets: Mapping[str, Target]) -> str:
    """An SVG: a line for each fault, a dot for each run at its gap at the client."""
    groups = _by_fault([one for one in series if not one.wrong], targets)
    return dot_plot([(fault, _gaps(group)[1]) for fault, group in groups], " s", 12)


def _gaps(group: Sequence[Series]) -> tuple[list[float], list[float]]:
    """All gaps of some series: at the write API, and at the client."""
    service = [gap for one in group for gap in one.gaps_at_service]
    return service, [gap for one in group for gap in one.gaps_at_client]


def _missed(group: Sequence[Series], target: Target) -> list[str]:
    """What of a target was missed on either side, in words."""
    sides = zip(("at the write API", "at the client"), _gaps(group), strict=True)
    return [f"{words} {side}" for side, gaps in sides for words in target.missed(gaps)]


def _by_fault(series: Iterable[Series], targets: Mapping[str, Target]) -> Sequence[tuple[str, list[Series]]]:
    """The series of each fault, in the order of `targets`."""
    known = list(series)
    groups = [(fault, [one for one in known if one.fault == fault]) for fault in targets]
    return [(fault, group) for fault, group in groups if group]
