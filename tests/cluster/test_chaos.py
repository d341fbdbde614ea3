"""`make chaos`: faults under load with the ledger on, until each has HCS_CHAOS_RUNS runs on record.

The record is docs/reliability.json: it is added to after each series, one that failed included, so that an hour here and an hour there make up
the whole; docs/reliability.md and its plot are written from it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict

import pytest
from tests.cluster import brokers, reliability
from tests.cluster.conftest import ROOT, Stack
from tests.cluster.faults import FAULTS, suffered
from tests.cluster.kubectl import Kubectl
from tests.cluster.reliability import Series

pytestmark = pytest.mark.chaos
DOCS = ROOT / "docs"
RECORD = DOCS / "reliability.json"
CHOSEN = os.environ.get("HCS_CHAOS_FAULTS", "").split(";")
RUNS = int(os.environ.get("HCS_CHAOS_RUNS", "20"))
PER_LOAD = 5


def on_record() -> list[Series]:
    """The series so far."""
    return [Series(**one) for one in json.loads(RECORD.read_text())] if RECORD.exists() else []


def record(new: Series) -> None:
    """Adds a series, and writes the page and the plot anew."""
    known = [*on_record(), new]
    RECORD.write_text(json.dumps([asdict(one) for one in known], indent=1) + "\n")
    targets = {name: fault.target for name, fault in FAULTS.items()}
    (DOCS / "reliability.svg").write_text(reliability.plot(known, targets))
    (DOCS / "reliability.md").write_text(reliability.page(known, targets))


@pytest.fixture(scope="module")
def held(module_namespace: Kubectl, reach: Callable[[Kubectl, str], Stack]) -> Stack:
    """A stack with a queue of three."""
    return brokers.make_three(module_namespace, reach)


@pytest.mark.parametrize(
    ("name", "count"),
    reliability.wanted(
        on_record(),
        {name: min(RUNS, fault.enough) for name, fault in FAULTS.items() if CHOSEN == [""] or name in CHOSEN},
        PER_LOAD,
    ),
)
def test_nothing_acknowledged_is_lost(name: str, count: int, request: pytest.FixtureRequest) -> None:
    stack: Stack = request.getfixturevalue(FAULTS[name].stack)
    series = suffered(stack, name, count)
    record(series)
    assert not series.wrong
