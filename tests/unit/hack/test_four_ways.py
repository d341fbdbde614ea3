"""The four ways to a cluster, in their order, and the one clear line where a machine allows none of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hack.cluster import choice, daemon, host, places
from hack.cluster.choice import Source
from hack.cluster.console import Refusal
from hack.cluster.docker import Docker

pytestmark = pytest.mark.unit

PRIVATE = Docker("unix:///private")
THEIRS = Docker()


class Host:
    """A machine: what is there, and what was done to it. Its run folder is the test's."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.known = folder / "run" / "registry"
        self.asked = 0
        self.started = False
        self._patch = monkeypatch
        monkeypatch.setattr(places, "RUN", folder / "run")
        monkeypatch.setattr(daemon, "docker", lambda: PRIVATE)
        monkeypatch.setattr(daemon, "start", self._start)
        self.has()

    def has(
        self,
        *,
        private: bool = False,
        docker: bool = False,
        registry: bool = False,
        root: bool = False,
        debian: bool = False,
    ) -> None:
        """Makes it such a machine."""

        def pulls(_: Docker, image: str) -> bool:
            assert image == choice.KIND_NODE
            self.asked += 1
            return registry

        self._patch.setattr(daemon, "is_running", lambda: private)
        self._patch.setattr(Docker, "answers", lambda _: docker)
        self._patch.setattr(Docker, "pulls", pulls)
        self._patch.setattr(host, "is_root", lambda: root)
        self._patch.setattr(host, "is_debian", lambda: debian)

    def _start(self) -> None:
        self.started = True


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    """One with nothing."""
    return Host(tmp_path, monkeypatch)


@pytest.mark.parametrize(
    ("has", "source"),
    [
        ({"docker", "registry"}, Source(THEIRS, official=True)),
        ({"docker", "registry", "root", "debian"}, Source(THEIRS, official=True)),
        ({"docker", "root", "debian"}, Source(THEIRS, official=False)),
        ({"root", "debian"}, Source(PRIVATE, official=False)),
        ({"private", "root", "debian"}, Source(PRIVATE, official=False)),
        ({"private", "docker", "registry", "root", "debian"}, Source(PRIVATE, official=False)),
    ],
)
def test_the_first_way_that_a_machine_allows_is_taken(machine: Host, has: set[str], source: Source) -> None:
    machine.has(**dict.fromkeys(has, True))
    assert choice.docker_only() == source
    assert machine.started == (has == {"root", "debian"})


@pytest.mark.parametrize("has", [set(), {"root"}, {"debian"}])
def test_a_machine_without_docker_is_refused_in_one_line(machine: Host, has: set[str]) -> None:
    machine.has(**dict.fromkeys(has, True))
    with pytest.raises(Refusal, match=r"no Docker daemon answers: .*, or run this as root on Debian") as refused:
        choice.docker_only()
    assert "\n" not in str(refused.value)
    assert not machine.started


@pytest.mark.parametrize("has", [{"docker"}, {"docker", "root"}, {"docker", "debian"}])
def test_docker_without_a_registry_is_refused_where_images_cannot_be_built(machine: Host, has: set[str]) -> None:
    machine.has(**dict.fromkeys(has, True))
    with pytest.raises(Refusal, match=r"cannot pull kindest/node:.*, or run this as root on Debian") as refused:
        choice.docker_only()
    assert "\n" not in str(refused.value)
    assert not machine.started


@pytest.mark.parametrize("registry", [True, False])
def test_the_registry_is_asked_once_while_a_cluster_runs(machine: Host, registry: bool) -> None:
    machine.has(docker=True, registry=registry, root=True, debian=True)
    sources = [choice.docker_only() for _ in range(3)]
    assert sources == [Source(THEIRS, official=registry)] * 3
    assert machine.asked == 1


def test_a_refusal_is_not_remembered(machine: Host) -> None:
    machine.has(docker=True)
    with pytest.raises(Refusal):
        choice.docker_only()
    assert not machine.known.exists()
    machine.has(docker=True, registry=True)
    assert choice.docker_only().official
