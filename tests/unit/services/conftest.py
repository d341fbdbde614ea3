"""Pools that do not wait."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hcs_services import request_context
from hcs_services.database import members, primary_finder


@pytest.fixture
def short_waits(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A pool looks again at once, and no deadline is left behind."""
    monkeypatch.setattr(members, "_PAUSE", (0.001, 0.002))
    monkeypatch.setattr(primary_finder, "PROBE_SECONDS", 0.05)
    monkeypatch.setattr(primary_finder, "_BETWEEN_LOOKS", 0.01)
    yield
    request_context.set_deadline(None)
