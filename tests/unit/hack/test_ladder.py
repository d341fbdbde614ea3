"""The first rung that fails ends the climb, and what came before is told with its time."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hack import test as ladder
from hack.cluster.console import Refusal
from hack.test import Rung

pytestmark = pytest.mark.unit


def fails() -> int:
    """A rung with a failed test."""
    return 3


def refuses() -> int:
    """A rung that cannot run here."""
    raise Refusal("Go is not here")


def breaks() -> int:
    """A rung with a mistake in itself."""
    raise KeyError("port")


@pytest.mark.parametrize(("broken", "code"), [(fails, 3), (refuses, 1), (breaks, 1)])
def test_a_failure_ends_the_climb(broken: Callable[[], int], code: int, capsys: pytest.CaptureFixture[str]) -> None:
    climbed: list[str] = []

    def passes(name: str) -> Rung:
        def climb() -> int:
            climbed.append(name)
            return 0

        return Rung(name, "", climb)

    assert ladder._climb([passes("before"), Rung("broken", "", broken), passes("later")], keep=False) == code
    assert climbed == ["before"]
    printed = capsys.readouterr().out
    assert "before     passed" in printed
    assert "broken     failed" in printed
    assert "later" not in printed
