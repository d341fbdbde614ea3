"""Prints docs/metrics.md: every metric that a service or the operator shows at `:9090/metrics`, as the code defines it.

Each tier is imported in a process of its own, which then has exactly the metrics that the tier shows.
"""

from __future__ import annotations

import importlib
import re
from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import NamedTuple

from prometheus_client import REGISTRY, CollectorRegistry

TIERS = ("gateway", "write-api", "async-api", "read-api", "worker")
_HEAD = """# Metrics

Made from the code by `make generate`. Every pod of the services, and the operator, shows its metrics at
`:9090/metrics`; a histogram has `_bucket`, `_sum` and `_count`. The `process_*` and `python_*` of every Python process
are shown, too. A stack's NetworkPolicies admit no scraper: [write one that does](concepts.md#who-may-talk-to-whom).
"""
_UNITS = {
    r"_seconds(_|$)": "seconds",
    r"_(rate|qps)(_per_replica)?$": "per second",
    r"_ratio$": "0 to 1",
}


class Row(NamedTuple):
    """One metric, in words; `labels` are comma-separated names."""

    name: str
    type: str
    labels: str
    unit: str
    meaning: str


def of_tier(tier: str) -> list[Row]:
    """Return what a tier of the services shows; imports it, for good."""
    importlib.import_module("hcs_services.command")
    importlib.import_module(f"hcs_services.{tier.replace('-', '_')}")
    return rows(REGISTRY)


def of_operator() -> list[Row]:
    """Return what the operator shows."""
    metrics = importlib.import_module("hcs_operator.runtime.metrics").Metrics()
    metrics.watch_queue(lambda: 0.0, lambda: 0.0, lambda: 0.0)
    return rows(metrics.registry)


def rows(registry: CollectorRegistry) -> list[Row]:
    """Return the project's own metrics of a registry, by name."""
    found = []
    for collector in registry._collector_to_names:  # noqa: SLF001 - no public way leads to label names
        labels = ", ".join(getattr(collector, "_labelnames", ()))
        for metric in collector.collect():
            if metric.name.startswith("hcs_"):
                name = f"{metric.name}_total" if metric.type == "counter" else metric.name
                found.append(Row(name, metric.type, labels, _unit(name), metric.documentation))
    return sorted(found)


def _unit(name: str) -> str:
    return next((unit for form, unit in _UNITS.items() if re.search(form, name)), "count")


def document(services: dict[str, list[Row]], operator: list[Row]) -> str:
    """Return the whole page; `services` by tier."""
    shown_by = defaultdict(list)
    for tier, found in services.items():
        for row in found:
            shown_by[row].append(tier)
    everywhere = [row for row, tiers in shown_by.items() if len(tiers) == len(services)]
    some = [(row, ", ".join(tiers)) for row, tiers in shown_by.items() if len(tiers) < len(services)]
    return "\n".join(
        [
            _HEAD,
            *("## Every service", "", *_table((row, None) for row in sorted(everywhere)), ""),
            *("## Some services", "", *_table(sorted(some)), ""),
            *("## The operator", "", *_table((row, None) for row in operator), ""),
        ]
    )


def _table(lines: Iterable[tuple[Row, str | None]]) -> list[str]:
    found = list(lines)
    last = ("shown by",) if found[0][1] is not None else ()
    head = ("name", "type", "labels", "unit", "meaning", *last)
    body = [(f"`{row.name}`", *row[1:], *((tiers,) if tiers else ())) for row, tiers in found]
    return [_line(head), _line("---" for _ in head), *map(_line, body)]


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Print the page."""
    with ProcessPoolExecutor(mp_context=get_context("spawn"), max_tasks_per_child=1) as processes:
        services = dict(zip(TIERS, processes.map(of_tier, TIERS), strict=True))
    print(document(services, of_operator()), end="")


if __name__ == "__main__":
    main()
