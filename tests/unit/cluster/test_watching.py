"""What a watch of pods has shown: who ended, and who was killed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.cluster.watching import Watched, documents

pytestmark = pytest.mark.unit

RUNNING: dict[str, Any] = {"running": {"startedAt": "2026-11-24T12:00:00Z"}}


def ended(code: int, reason: str = "Completed") -> dict[str, Any]:
    return {"terminated": {"exitCode": code, "reason": reason}}


def watch(folder: Path, *shown: tuple[str, dict[str, Any], int]) -> Watched:
    """Of `(pod, the state of its container, its restarts)` in this order."""
    pods = [
        {"metadata": {"name": name}, "status": {"containerStatuses": [{"state": state, "restartCount": restarts}]}}
        for name, state, restarts in shown
    ]
    file = folder / "shown"
    file.write_text("\n".join(json.dumps(pod, indent=4) for pod in pods))
    return Watched(file)


def test_a_worker_that_drained_and_ended_was_not_killed(tmp_path: Path) -> None:
    seen = watch(tmp_path, ("a", {"waiting": {}}, 0), ("a", RUNNING, 0), ("a", ended(0), 0))
    assert not seen.killed()
    assert not seen.running()


@pytest.mark.parametrize(
    ("state", "restarts"), [(ended(137, "Error"), 0), (ended(1, "OOMKilled"), 0), (RUNNING, 1), ({"waiting": {}}, 1)]
)
def test_a_killed_worker_is_told_though_others_followed_it(
    tmp_path: Path, state: dict[str, Any], restarts: int
) -> None:
    seen = watch(tmp_path, ("a", RUNNING, 0), ("a", state, restarts), ("b", RUNNING, 0), ("b", ended(0), 0))
    (line,) = seen.killed()
    assert line.startswith("a: ")


def test_a_worker_whose_end_was_not_seen_counts_as_running(tmp_path: Path) -> None:
    seen = watch(
        tmp_path, ("a", RUNNING, 0), ("never started", {"waiting": {}}, 0), ("b", RUNNING, 0), ("b", ended(0), 0)
    )
    assert seen.running() == {"a"}


def test_a_document_that_is_not_written_to_its_end_is_left_for_the_next_look() -> None:
    assert list(documents('{"a": {"b": 1}}\n{\n "c": 2\n}\n{"d": ')) == [{"a": {"b": 1}}, {"c": 2}]
