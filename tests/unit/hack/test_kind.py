"""A cluster that kind was killed over is made anew, whatever it got done."""

from __future__ import annotations

from pathlib import Path

import pytest
from hack.cluster import kind, places
from hack.cluster.docker import Docker
from hack.cluster.kind import Kind

pytestmark = pytest.mark.unit

ALL = ["node/hcs-control-plane", "node/hcs-worker", "node/hcs-worker2"]
CLASS = ["storageclass.storage.k8s.io/standard"]


@pytest.mark.parametrize(
    ("nodes", "classes", "ready", "whole"),
    [
        pytest.param(ALL, CLASS, True, True, id="whole"),
        pytest.param(ALL[:1], [], True, False, id="killed before the StorageClass"),
        pytest.param(ALL[:1], CLASS, True, False, id="killed before the workers joined"),
        pytest.param(ALL[:2], CLASS, True, False, id="killed while the workers joined"),
        pytest.param(ALL, [], True, False, id="no StorageClass"),
        pytest.param(ALL, CLASS, False, False, id="a node is not ready"),
    ],
)
def test_only_a_whole_cluster_answers(
    nodes: list[str], classes: list[str], ready: bool, whole: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(*words: str | Path, **_: object) -> str:
        return "\n".join(nodes if "nodes" in words else classes)

    config = tmp_path / "config"
    config.write_text("{}")
    monkeypatch.setattr(places, "KUBECONFIG", config)
    monkeypatch.setattr(Docker, "run", lambda *_, **__: "hcs-control-plane\nhcs-worker\nhcs-worker2\n")
    monkeypatch.setattr(kind, "run", run)
    monkeypatch.setattr(kind, "succeeds", lambda *words, **_: ready or "wait" not in words)
    assert Kind(Docker(), tmp_path, "image", built=True).answers() is whole
