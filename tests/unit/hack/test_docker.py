"""Containers that somebody else is removing at the same time."""

from __future__ import annotations

from pathlib import Path

import pytest
from hack.cluster import docker
from hack.cluster.docker import CommandFailed, Docker

pytestmark = pytest.mark.unit


class Daemon:
    """Has two containers, refuses to remove them with these words, and loses one at each look after that."""

    def __init__(self, words: str) -> None:
        self.words = words
        self.left = ["a", "b"]
        self._refused = False

    def run(self, *arguments: str | Path, **_options: object) -> str:
        if arguments[0] == "rm":
            self._refused = True
            raise CommandFailed(self.words)
        shown = " ".join(self.left)
        if self._refused and self.left:
            self.left.pop()
        return shown


@pytest.fixture
def daemon(monkeypatch: pytest.MonkeyPatch) -> Daemon:
    daemon = Daemon("Error response from daemon: removal of container a is already in progress")
    monkeypatch.setattr(Docker, "run", daemon.run)
    return daemon


def test_a_removal_that_is_under_way_is_waited_for(daemon: Daemon) -> None:
    Docker().remove_containers("label=hcs")
    assert daemon.left == []


def test_one_that_does_not_end_is_told(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docker, "_REMOVAL_SECONDS", 0)
    with pytest.raises(CommandFailed, match="still there after 0 s: containers a, b"):
        Docker().remove_containers("label=hcs")


def test_another_refusal_is_no_removal(daemon: Daemon) -> None:
    daemon.words = "Error response from daemon: permission denied"
    with pytest.raises(CommandFailed, match="permission denied"):
        Docker().remove_containers("label=hcs")
