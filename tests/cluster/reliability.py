"""What faults did, series by series, and the page, table and plot that show it. Pure."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from statistics import median

from hack.dot_plot import dot_plot

HEAD = (
    "| fault | runs | acknowledged | refused | settled by their key | lost | doubled | gap at the write API (s): median, worst "
    "| gap at the client (s): median, worst | target |"
)


@dataclass(frozen=True)
class Series:
    """Runs of one fault under one load, whose ledger balanced after the last. The gaps of a run are the longest in
    seconds between two acknowledged orders.
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


def wanted(series: Iterable[Series], runs: Mapping[str, int], at_once: int) -> list[tuple[str, int]]:
    """(fault, runs) of the series that are missing until each fault has its `runs`, at most `at_once` in each.

    Every fault comes once before any comes again, so that a record that is stopped half-way is even.
    """
    counts = Counter[str]()
    for one in series:
        counts[one.fault] += len(one.gaps_at_client)
    missing = {fault: number - counts[fault] for fault, number in runs.items()}
    rounds = -(-max([0, *missing.values()]) // at_once)
    left = [
        (fault, min(at_once, number - done * at_once)) for done in range(rounds) for fault, number in missing.items()
    ]
    return [(fault, number) for fault, number in left if number > 0]


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


def page(series: Sequence[Series], targets: Mapping[str, str]) -> str:
    """The Markdown page."""
    days = sorted({one.on for one in series})
    since = f"these are from {days[0]} to {days[-1]}" if days else "none is on record yet"
    return f"""# What faults do

Written by `make chaos` from `reliability.json`, to which it adds until each fault has its runs; {since}. Each run: the sample stack with three members on the three nodes of a kind cluster on one small machine, 20 orders, each read at once by its token, 5 tasks and their cancels a second through the gateway; at least 200 orders
acknowledged between two faults, and every acknowledged order is there. After five runs at the most, whatever had no sure answer is sent again under its key, and the ledger must balance: every acknowledged order there, none that was refused, stock, charges, refunds, mails, reports and syncs as they must be. Runs whose ledger does not balance fail and are in no row,
so the two columns of noughts are what was proved, not what was assumed.

{table(series, targets)}
![the longest gap of each run, at the client](reliability.svg)

The gap at the write API is between two answers of 201 in its logs; the one at the client has the gateway's breaker, retries and the network in it. A kubelet starts a container later each time that it has ended within ten minutes (after 10 s, 20 s, and so on to five minutes), and here one fault follows another:
where two or three members are killed at once the gap has that in it. Since 2026-11-30 the cluster's kubelets wait 10 s at the most.
"""


def table(series: Iterable[Series], targets: Mapping[str, str]) -> str:
    """A Markdown table, a row for each fault of `targets` that was run. What lost or doubled something never becomes
    a Series, so both columns are what every ledger has proved.
    """
    lines = [HEAD, "|" + "---|" * 10]
    for fault, group in _by_fault(series, targets):
        service = [gap for one in group for gap in one.gaps_at_service]
        client = [gap for one in group for gap in one.gaps_at_client]
        cells = [
            fault,
            str(len(client)),
            str(sum(one.acknowledged for one in group)),
            str(sum(one.refused for one in group)),
            str(sum(one.unknown for one in group)),
            "0",
            "0",
            f"{median(service):.1f}, {max(service):.1f}",
            f"{median(client):.1f}, {max(client):.1f}",
            targets[fault],
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def plot(series: Iterable[Series], targets: Mapping[str, str]) -> str:
    """An SVG: a line for each fault, a dot for each run at its gap at the client."""
    groups = _by_fault(series, targets)
    return dot_plot(
        [(fault, [gap for one in group for gap in one.gaps_at_client]) for fault, group in groups], " s", 12
    )


def _by_fault(series: Iterable[Series], targets: Mapping[str, str]) -> Sequence[tuple[str, list[Series]]]:
    """The series of each fault, in the order of `targets`."""
    known = list(series)
    groups = [(fault, [one for one in known if one.fault == fault]) for fault in targets]
    return [(fault, group) for fault, group in groups if group]
