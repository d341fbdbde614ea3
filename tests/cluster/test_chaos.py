"""`make chaos`: each fault HCS_CHAOS_RUNS times against the sample stack, under load and with the ledger on.

The runs are kept in docs/reliability.json, a fault's new ones in place of its old ones; docs/reliability.md and its plot
are written from them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime

import pytest
from tests.cluster import members, reliability
from tests.cluster.conftest import ROOT, Stack
from tests.cluster.faults import FAULTS, suffered
from tests.cluster.reliability import Run

pytestmark = pytest.mark.chaos
CHOSEN = os.environ.get("HCS_CHAOS_FAULTS", "").split(";")
RUNS = int(os.environ.get("HCS_CHAOS_RUNS", "20"))
KEPT = ROOT / "docs" / "reliability.json"


@pytest.fixture(scope="module")
def runs() -> Iterator[dict[str, list[Run]]]:
    """This session's runs by fault; at the end they are written down, those of a fault that stopped half-way too."""
    new: dict[str, list[Run]] = {}
    yield new
    kept = [Run(**run) for run in json.loads(KEPT.read_text())] if KEPT.exists() else []
    merged = [run for run in kept if run.fault not in new] + [run for group in new.values() for run in group]
    KEPT.write_text(json.dumps([asdict(run) for run in merged], indent=1) + "\n")
    targets = {name: fault.target for name, fault in FAULTS.items()}
    (ROOT / "docs" / "reliability.svg").write_text(reliability.plot(merged, targets))
    (ROOT / "docs" / "reliability.md").write_text(reliability.page(merged, targets))


@pytest.mark.parametrize("run", range(RUNS))
@pytest.mark.parametrize("name", [name for name in FAULTS if CHOSEN == [""] or name in CHOSEN])
def test_nothing_acknowledged_is_lost(
    name: str, run: int, shop: Stack, runs: dict[str, list[Run]], request: pytest.FixtureRequest
) -> None:
    fault = FAULTS[name]
    shop.until_ready()
    members.until_safe(shop)
    fault.prepare(shop)
    if fault.operator_away:
        request.getfixturevalue("operator_away")
    began = datetime.now(UTC)
    balance = suffered(shop, fault)
    print(f"    run {run + 1}: {balance}")
    gap = reliability.longest_gap(shop.log("write-api", began))
    runs.setdefault(name, []).append(Run(name, balance.acknowledged, balance.unknown, gap, balance.gap))
