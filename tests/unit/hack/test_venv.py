"""The environment is installed once for each lock file, wherever the tree is; a folder of somebody else's stays."""

from __future__ import annotations

from pathlib import Path

import pytest
from hack import venv
from hack.cluster import places
from hack.cluster.console import Refusal

pytestmark = pytest.mark.unit


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is run, in a cache and a tree of the test's own."""
    ran: list[str] = []

    def run(*words: object) -> None:
        ran.append(Path(str(words[0])).name)
        if "venv" in words:
            (Path(str(words[-1])) / "bin").mkdir(parents=True, exist_ok=True)

    monkeypatch.setattr(venv, "run", run)
    monkeypatch.setattr(places, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(places, "SCRATCH", tmp_path / "cache" / "tmp")
    monkeypatch.setattr(venv, "KEPT", tmp_path / "cache" / "venv")
    _in_tree(monkeypatch, tmp_path / "tree")
    return ran


def _in_tree(monkeypatch: pytest.MonkeyPatch, tree: Path) -> None:
    tree.mkdir()
    monkeypatch.setattr(venv, "VENV", tree / ".venv")


def test_another_clone_installs_nothing(installed: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = venv.ensure().resolve()
    _in_tree(monkeypatch, tmp_path / "clone")
    assert venv.ensure().resolve() == first
    assert installed.count("pip") == 1


def test_what_was_interrupted_is_installed_anew(installed: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    venv.ensure()
    (venv.VENV / "locked").unlink()
    venv.ensure()
    assert installed.count("pip") == 2


def test_a_folder_of_the_projects_former_kind_becomes_a_link(installed: list[str]) -> None:
    venv.VENV.mkdir()
    (venv.VENV / "locked").write_text("an older lock file's")
    venv.ensure()
    assert venv.VENV.is_symlink()
    assert installed


def test_a_folder_of_somebody_elses_stays(installed: list[str]) -> None:
    venv.VENV.mkdir()
    with pytest.raises(Refusal, match="move it away"):
        venv.ensure()
    assert venv.VENV.is_dir()
    assert installed
