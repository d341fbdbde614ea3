"""What holds for every test: it belongs to one rung of the ladder, and under CI none is skipped."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("ours", deadline=None)  # how long an example takes is the machine's affair
settings.load_profile("ours")

TESTS = Path(__file__).parent
RUNGS = frozenset({"unit", "engine", "apiserver", "cluster", "chaos"})


@pytest.hookimpl(tryfirst=True)  # before pytest picks by marker
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test in a rung's folder is on that rung; one elsewhere says its rung itself, else it would never run."""
    for item in items:
        rungs = RUNGS & {mark.name for mark in item.iter_markers()}
        folder = item.path.relative_to(TESTS).parts[0]
        if not rungs and folder in RUNGS:
            item.add_marker(folder)
        elif len(rungs) != 1:
            raise pytest.UsageError(f"{item.nodeid} is on no rung, or on two: set pytestmark")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A skip on a laptop is a failure under CI, where everything that a test needs is there."""
    report = yield
    if os.environ.get("CI") == "true" and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped under CI: {report.longrepr}"
    return report
