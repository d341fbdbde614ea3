"""What faults did, run by run, and the page, table and plot that show it. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from statistics import median

HEAD = (
    "| fault | runs | acknowledged | settled by their key | lost | doubled | gap at the write API (s): median, worst "
    "| gap at the client (s): median, worst | target |"
)
WIDTH, ROW, LEFT, RIGHT = 900, 34, 260, 30  # of the plot, in its own units


@dataclass(frozen=True)
class Run:
    """One run of one fault. Gaps are seconds between two acknowledged orders, the longest of the run."""

    fault: str
    acknowledged: int
    unknown: int
    """Orders, tasks and cancels without a sure answer at first; all were settled by their keys."""
    gap_at_service: float
    gap_at_client: float


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


def page(runs: Iterable[Run], targets: Mapping[str, str]) -> str:
    """The Markdown page."""
    return f"""# What faults do

Written by `make chaos` from `reliability.json`. Each run: the sample stack with three members on the three nodes of a kind cluster on one small machine, 20 orders, 5 tasks and their cancels a second through the gateway; at least 200 orders
acknowledged before and after the fault. Then whatever had no sure answer is sent again under its key, and the ledger must balance: every acknowledged order there, none that was refused, stock, charges, refunds and mails as they must be. A run whose ledger does not balance fails and is in no row,
so the two columns of noughts are what was proved, not what was assumed.

{table(runs, targets)}
![the longest gap of each run, at the client](reliability.svg)

The gap at the write API is between two answers of 201 in its logs; the one at the client has the gateway's breaker, retries and the network in it.
"""


def table(runs: Iterable[Run], targets: Mapping[str, str]) -> str:
    """A Markdown table, a row for each fault of `targets` that was run. A run that lost or doubled something never
    becomes a Run, so both columns are what every run's ledger has proved.
    """
    lines = [HEAD, "|" + "---|" * 9]
    for fault, group in _by_fault(runs, targets):
        service, client = [run.gap_at_service for run in group], [run.gap_at_client for run in group]
        cells = [
            fault,
            str(len(group)),
            str(sum(run.acknowledged for run in group)),
            str(sum(run.unknown for run in group)),
            "0",
            "0",
            f"{median(service):.1f}, {max(service):.1f}",
            f"{median(client):.1f}, {max(client):.1f}",
            targets[fault],
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def plot(runs: Iterable[Run], targets: Mapping[str, str]) -> str:
    """An SVG: a line for each fault, a dot for each run at its gap at the client."""
    groups = _by_fault(runs, targets)
    longest = max((run.gap_at_client for _, group in groups for run in group), default=1.0)
    step = next(size for size in (1, 2, 5, 10, 20, 50, 100, 1000) if longest / size <= 12)
    scale = (WIDTH - LEFT - RIGHT) / max(longest, step)
    height = ROW * (len(groups) + 2)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="13">',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
    ]
    for mark in range(0, int(longest) + 1, step):
        x = LEFT + mark * scale
        parts.append(f'<line x1="{x:.1f}" y1="{ROW / 2:.0f}" x2="{x:.1f}" y2="{height - ROW}" stroke="#ddd"/>')
        parts.append(f'<text x="{x:.1f}" y="{height - ROW / 2:.0f}" text-anchor="middle">{mark} s</text>')
    for line, (fault, group) in enumerate(groups, start=1):
        y = line * ROW
        parts.append(f'<text x="{LEFT - 12}" y="{y + 4}" text-anchor="end">{fault}</text>')
        parts += [
            f'<circle cx="{LEFT + run.gap_at_client * scale:.1f}" cy="{y}" r="5" fill="#1f77b4" fill-opacity="0.5"/>'
            for run in group
        ]
    return "\n".join([*parts, "</svg>", ""])


def _by_fault(runs: Iterable[Run], targets: Mapping[str, str]) -> Sequence[tuple[str, list[Run]]]:
    """The runs of each fault, in the order of `targets`."""
    known = list(runs)
    groups = [(fault, [run for run in known if run.fault == fault]) for fault in targets]
    return [(fault, group) for fault, group in groups if group]
