"""Figures are published only from a machine that had nothing else to do."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from benchmarks.services.measurement import Result, Sample, Series
from benchmarks.services.report import BEGIN, END
from hack import bench
from hack.cluster import places

pytestmark = pytest.mark.unit

RESULT = Result("row", "Row", (Series("product", (Sample(10, 1, 2, 0.5),)),), {})


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A page to write into, of a run that measures RESULT."""
    page, results = tmp_path / "performance.md", tmp_path / "results"
    page.write_text(f"{BEGIN}\n{END}\n")
    results.mkdir()
    monkeypatch.setattr(places, "ROOT", tmp_path)
    monkeypatch.setattr(places, "ARTIFACTS", tmp_path / "artifacts")
    monkeypatch.setattr(bench, "_RESULTS", results)
    monkeypatch.setattr(bench, "_PAGE", page)

    def measured(_arguments: list[str], folder: Path, _load: float) -> int:
        (folder / "row.json").write_text(RESULT.to_json())
        return 0

    monkeypatch.setattr(bench, "_run", measured)
    return page


def test_a_quiet_machines_figures_plot_and_table_are_written(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getloadavg", lambda: (0.2, 9.0, 9.0))
    (page.parent / "results").rmdir()  # a clone has none before the first figures
    assert bench.main([]) == 0
    assert sorted(file.name for file in (page.parent / "results").iterdir()) == ["row.json", "row.svg"]
    assert "| Row | product |" in page.read_text()


def test_a_busy_machines_figures_stay_among_the_artifacts_and_the_reason_is_said(
    page: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "getloadavg", lambda: (1.5, 0.0, 0.0))
    assert bench.main([]) == 0
    assert list((page.parent / "results").iterdir()) == []
    assert page.read_text() == f"{BEGIN}\n{END}\n"
    assert (places.ARTIFACTS / "bench" / "row.json").exists()
    assert "load average was 1.50" in capsys.readouterr().out


@pytest.mark.parametrize("shortened", ["BENCH_ROUNDS", "BENCH_SECONDS"])
def test_a_short_runs_figures_stay_among_the_artifacts_and_the_reason_is_said(
    page: Path, shortened: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "getloadavg", lambda: (0.2, 0.0, 0.0))
    monkeypatch.setenv(shortened, "1")
    assert bench.main([]) == 0
    assert list((page.parent / "results").iterdir()) == []
    assert f"no whole run: {shortened} was 1" in capsys.readouterr().out


def test_a_run_that_is_told_the_length_it_has_anyway_is_a_whole_one(
    page: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "getloadavg", lambda: (0.2, 0.0, 0.0))
    monkeypatch.setenv("BENCH_ROUNDS", "5")
    monkeypatch.setenv("BENCH_SECONDS", "")
    bench.main([])
    assert "| Row | product |" in page.read_text()


def test_figures_that_were_published_before_stay_on_the_page(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getloadavg", lambda: (0.2, 0.0, 0.0))
    older = Result("another", "Another", RESULT.series, {})
    (page.parent / "results" / "another.json").write_text(older.to_json())
    bench.main([])
    assert "| Another | product |" in page.read_text()


def test_a_run_that_failed_publishes_nothing(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getloadavg", lambda: (0.2, 0.0, 0.0))
    monkeypatch.setattr(bench, "_run", lambda *_: 3)
    assert bench.main([]) == 3
    assert page.read_text() == f"{BEGIN}\n{END}\n"
