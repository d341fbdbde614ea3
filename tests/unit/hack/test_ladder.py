"""Rungs of a stage run side by side, and a failure ends the climb after its stage."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

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


@pytest.fixture
def writes(tmp_path: Path) -> Callable[[str], Callable[[], int]]:
    """Makes a climb that leaves a file of that name with its process number."""

    def make(name: str) -> Callable[[], int]:
        def climb() -> int:
            print(f"{name} has run")
            (tmp_path / name).write_text(str(os.getpid()))
            return 0

        return climb

    return make


def test_each_rung_of_a_stage_runs_in_its_own_process_and_is_shown_whole(
    writes: Callable[[str], Callable[[], int]], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    rungs = [Rung("one", "this", 1, writes("one")), Rung("two", "that", 1, writes("two"))]
    assert ladder._climb(rungs, keep=False) == 0
    assert len({(tmp_path / name).read_text() for name in ("one", "two")} | {str(os.getpid())}) == 3
    printed = capfd.readouterr().out
    for name, proves in (("one", "this"), ("two", "that")):
        assert f"=== {name}: {proves}\n{name} has run\n" in printed


@pytest.mark.parametrize(("broken", "code"), [(fails, 3), (refuses, 1)])
def test_a_failure_is_answered_and_no_later_stage_runs(
    broken: Callable[[], int],
    code: int,
    writes: Callable[[str], Callable[[], int]],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    rungs = [
        Rung("beside", "", 1, writes("beside")),
        Rung("broken", "", 1, broken),
        Rung("later", "", 2, writes("later")),
    ]
    assert ladder._climb(rungs, keep=False) == code
    assert (tmp_path / "beside").exists()
    assert not (tmp_path / "later").exists()
    assert "broken     failed" in capfd.readouterr().out


def test_what_a_stage_needs_is_built_before_any_of_its_tests_run(
    writes: Callable[[str], Callable[[], int]], tmp_path: Path
) -> None:
    def nothing_runs_yet() -> None:
        assert not list(tmp_path.iterdir())

    rungs = [Rung(name, "", 1, writes(name), nothing_runs_yet) for name in ("one", "two")]
    assert ladder._climb(rungs, keep=False) == 0


def test_what_cannot_be_built_fails_its_rung_and_those_before_are_told_all_the_same(
    writes: Callable[[str], Callable[[], int]], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    rungs = [
        Rung("before", "", 1, writes("before")),
        Rung("broken", "", 2, writes("broken"), refuses),
        Rung("beside", "", 2, writes("beside")),
    ]
    assert ladder._climb(rungs, keep=False) == 1
    assert [file.name for file in tmp_path.iterdir()] == ["before"]
    printed = capfd.readouterr().out
    assert "error: Go is not here" in printed
    assert "before     passed" in printed
    assert "broken     failed" in printed
