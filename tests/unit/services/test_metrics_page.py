"""docs/metrics.md is made from the code; that it is fresh is checked with the other generated files."""

from __future__ import annotations

import pytest
from hack.metrics import Row, document, of_operator, of_tier, rows
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge

pytestmark = pytest.mark.unit


def test_a_row_has_the_name_that_is_shown_its_labels_and_its_unit() -> None:
    registry = CollectorRegistry()
    Counter("hcs_things", "Things that were done.", ["kind", "outcome"], registry=registry)
    Gauge("hcs_age_seconds", "How old the oldest is.", registry=registry)
    Gauge("python_things", "Not ours.", registry=registry)
    assert rows(registry) == [
        Row("hcs_age_seconds", "gauge", "", "seconds", "How old the oldest is."),
        Row("hcs_things_total", "counter", "kind, outcome", "count", "Things that were done."),
    ]


def test_what_every_tier_shows_stands_apart_from_what_some_do() -> None:
    all_, one = (Row(f"hcs_{name}", "gauge", "", "count", "So.") for name in ("all", "one"))
    page = document({"gateway": [all_, one], "worker": [all_]}, [all_])
    every, some = page.split("## Some services")
    assert "| `hcs_all` | gauge |  | count | So. |\n" in every
    assert "| `hcs_one` | gauge |  | count | So. | gateway |\n" in some


@pytest.mark.parametrize("tier", ["gateway", "write-api", "async-api", "read-api", "worker"])
def test_every_metric_of_a_service_says_in_a_sentence_what_it_means(tier: str) -> None:
    assert [row.name for row in of_tier(tier) if not _is_sentence(row.meaning)] == []
    assert rows(REGISTRY)


def test_every_metric_of_the_operator_says_in_a_sentence_what_it_means() -> None:
    assert [row.name for row in of_operator() if not _is_sentence(row.meaning)] == []


def _is_sentence(text: str) -> bool:
    return text.endswith(".") and text[0] in "1ABCDEFGHIJKLMNOPQRSTUVWXYZ" and "|" not in text and len(text) > 20
