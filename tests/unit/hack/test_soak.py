"""A soak is on record only if it was a whole run on a quiet machine, and ends with an error where something grew."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from benchmarks.soak.record import Course, Record, Sample
from benchmarks.soak.report import BEGIN, END
from hack import soak
from hack.cluster import places

pytestmark = pytest.mark.unit
EMPTY = f"{BEGIN}\n{END}\n"


def record(leak: float) -> Record:
    """Of one process that leaks so many MiB an hour."""
    samples = tuple(Sample(at, 50 + leak * at / 3600, 40) for at in range(0, 1201, 5))
    return Record((Course("gateway", samples),), {"reads": 1}, 0, {})


@pytest.fixture
def docs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Documents to write into, on a quiet machine where nothing leaks."""
    (tmp_path / "soak.md").write_text(EMPTY)
    monkeypatch.setattr(places, "ARTIFACTS", tmp_path / "artifacts")
    monkeypatch.setattr(soak, "_DOCS", tmp_path)
    monkeypatch.setattr(os, "getloadavg", lambda: (0.2, 9.0, 9.0))
    measures(monkeypatch, record(0))
    return tmp_path


def measures(monkeypatch: pytest.MonkeyPatch, found: Record) -> None:
    def run(folder: Path, _load: float) -> int:
        (folder / "record.json").write_text(found.to_json())
        return 0

    monkeypatch.setattr(soak, "_run", run)


def test_a_whole_run_on_a_quiet_machine_is_written_with_its_plot(docs: Path) -> None:
    assert soak.main() == 0
    assert Record.from_json((docs / "soak.json").read_text()) == record(0)
    assert (docs / "soak.svg").read_text().startswith("<svg")
    assert "| gateway |" in (docs / "soak.md").read_text()


def test_what_grew_is_on_record_too_and_an_error(docs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measures(monkeypatch, record(40))
    assert soak.main() == 1
    assert "| no |" in (docs / "soak.md").read_text()


@pytest.mark.parametrize(
    ("load", "seconds", "reason"), [(1.5, "", "load average was 1.50"), (0.2, "200", "SOAK_SECONDS was 200")]
)
def test_a_short_run_and_a_busy_machines_stay_among_the_artifacts(
    docs: Path,
    load: float,
    seconds: str,
    reason: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(os, "getloadavg", lambda: (load, 0.0, 0.0))
    monkeypatch.setenv("SOAK_SECONDS", seconds)
    assert soak.main() == 0
    assert (docs / "soak.md").read_text() == EMPTY
    assert not (docs / "soak.json").exists()
    assert (docs / "artifacts" / "soak" / "record.json").exists()
    assert reason in capsys.readouterr().out


def test_a_run_that_failed_leaves_the_page_as_it_was(docs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soak, "_run", lambda *_: 3)
    assert soak.main() == 3
    assert (docs / "soak.md").read_text() == EMPTY
