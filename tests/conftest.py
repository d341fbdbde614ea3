"""What holds for every test: it belongs to one rung of the ladder, and under CI none is skipped."""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest

RUNGS = frozenset({"unit", "engine", "apiserver", "cluster"})


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test without a rung would never run: `make test` picks them by it."""
    strays = [item.nodeid for item in items if len(RUNGS & {mark.name for mark in item.iter_markers()}) != 1]
    if strays:
        raise pytest.UsageError("these tests are on no rung, or on two (pytestmark): " + ", ".join(strays[:5]))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A skip on a laptop is a failure under CI, where everything that a test needs is there."""
    report = yield
    if os.environ.get("CI") == "true" and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped under CI: {report.longrepr}"
    return report
