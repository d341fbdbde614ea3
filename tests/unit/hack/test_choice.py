"""A cluster of the user's is used only as told, and is never what faults are tried on."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
from hack import test as ladder
from hack.cluster import __main__ as cluster
from hack.cluster import choice, daemon, install, kind, loading, places, remains, tools
from hack.cluster.console import Refusal
from hack.cluster.docker import Docker

pytestmark = pytest.mark.unit


@pytest.fixture
def kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that HCS_KUBECONFIG names."""
    file = tmp_path / "config"
    file.write_text("{}")
    monkeypatch.setenv("HCS_KUBECONFIG", str(file))
    monkeypatch.setenv("HCS_REGISTRY", "registry.example/team/")
    return file


def test_a_users_cluster_is_taken_with_its_registry(kubeconfig: Path) -> None:
    assert choice.external() == choice.External(kubeconfig, "registry.example/team")


def test_a_users_cluster_without_a_registry_is_refused_in_words(
    kubeconfig: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HCS_REGISTRY")
    with pytest.raises(Refusal, match="set HCS_REGISTRY too"):
        choice.external()


def test_a_kubeconfig_that_is_not_there_is_named(kubeconfig: Path) -> None:
    kubeconfig.unlink()
    with pytest.raises(Refusal, match="names no file"):
        choice.external()


@pytest.mark.parametrize("arguments", [[], ["cluster"]])
def test_the_cluster_rung_refuses_a_users_cluster_before_anything_runs(
    arguments: list[str], kubeconfig: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CI", "false")
    with pytest.raises(SystemExit):
        ladder.main(arguments)
    assert "refuses a cluster of yours" in capsys.readouterr().err


@pytest.fixture
def removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was taken down, in order, of a machine with a private daemon."""
    told: list[str] = []
    run = tmp_path / "run"
    run.mkdir()
    monkeypatch.setattr(places, "RUN", run)
    monkeypatch.setattr(places, "KUBECONFIG", tmp_path / "none")
    monkeypatch.setattr(tools, "clients", lambda: tmp_path)
    monkeypatch.setattr(Docker, "answers", lambda _: False)
    monkeypatch.setattr(remains, "look", dict)
    monkeypatch.setattr(daemon, "stop", lambda: told.append("the private daemon"))
    monkeypatch.setattr(install, "uninstall", lambda _: told.append("what is in the user's cluster"))
    return told


@pytest.mark.usefixtures("kubeconfig")
@pytest.mark.parametrize("ci", ["true", "false"])
def test_lower_rungs_leave_a_users_cluster_alone_and_remove_what_is_ours(
    ci: str, removed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", ci)
    places.RUN.rmdir()  # nothing ran before

    def climb(*_: object, **__: object) -> int:
        places.RUN.mkdir()  # a rung starts the daemon
        return 0

    monkeypatch.setattr(ladder, "_climb", climb)
    assert ladder.main(["unit"]) == 0
    assert removed == ["the private daemon"]


@pytest.mark.usefixtures("kubeconfig")
def test_down_takes_what_up_installed_out_of_a_users_cluster_and_stops_the_private_daemon(removed: list[str]) -> None:
    cluster.down()
    assert removed == ["what is in the user's cluster", "the private daemon"]


def test_our_images_go_to_the_users_registry_and_official_ones_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[tuple[str | Path, ...]] = []
    monkeypatch.setattr(Docker, "run", lambda _, *words: said.append(words))
    names = loading.to_registry(Docker(), "registry.example/team", ["hcs/operator:1", "redis:8"])
    assert names == {"hcs/operator:1": "registry.example/team/hcs/operator:1", "redis:8": "redis:8"}
    assert [words[-1] for words in said if words[0] == "push"] == ["registry.example/team/hcs/operator:1"]


def test_an_upstream_node_is_asked_for_nothing_that_only_ours_needs() -> None:
    def kinds(*, built: bool) -> Iterable[str]:
        return [patch for patch in kind.configuration(built=built)["kubeadmConfigPatches"] if "cgroupDriver" in patch]

    assert not kinds(built=False)
    assert kinds(built=True)
