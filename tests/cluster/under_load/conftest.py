"""The load under which the sample stack suffers its faults, from before the first of them until after the last."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.cluster import members, nodes
from tests.cluster.conftest import Stack
from tests.cluster.ledger import Ledger


@pytest.fixture(scope="package")
def load(shop: Stack) -> Iterator[Ledger]:
    """Orders and tasks as long as these tests run. Faults follow each other, and two cores are full with what long outages
    leave: what has no answer is sent again one by one, and tasks wait for workers.

    What the load is held against is moved to where no fault comes before it begins: a move empties it.
    """
    shop.until_ready()
    members.until_safe(shop)
    nodes.make_expendable(shop)
    with shop.under_load() as ledger:
        yield ledger
