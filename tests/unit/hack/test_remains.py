"""What make leaves on a machine is told and fails the run; what others have there is not ours."""

from __future__ import annotations

from pathlib import Path

import pytest
from hack import test as ladder
from hack.cluster import __main__ as cluster
from hack.cluster import daemon, host, places, remains
from hack.cluster.docker import Docker
from hack.cluster.remains import Look, interfaces_in, left_behind, mounts_in, rules_of

pytestmark = pytest.mark.unit

OURS = daemon.ADDRESSES
MOUNTS = """\
22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
80 22 0:40 / /home/ann/.cache/hcs/docker/overlay2/x/merged rw - overlay overlay rw
81 22 0:41 / /home/ann/.cache/hcs rw - tmpfs tmpfs rw
82 22 0:42 / /home/ann/.cache/hcs2/x rw - tmpfs tmpfs rw
"""
ROUTES = """\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t010011AC\t0003\t0\t0\t0\t00000000\t0\t0\t0
br-1a2b\t004012C6\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
"""
RULES = """\
-P FORWARD ACCEPT
-N DOCKER
-N KUBE-SERVICES
-A POSTROUTING -s 198.18.64.0/24 ! -o br-1a2b -j MASQUERADE
-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
-A INPUT -s 198.18.192.1/32 -j ACCEPT
-A INPUT -m comment --comment "version 1.2.3.456" -j ACCEPT
"""


def test_what_was_there_before_is_not_left_behind() -> None:
    before: Look = {"the process": frozenset({"7, dockerd"}), "the file": frozenset()}
    after: Look = {
        "the process": frozenset({"7, dockerd", "9, runc"}),
        "the file": frozenset({"/home/ann/.kube"}),
        "the bridge": frozenset({"br-1"}),
    }
    assert left_behind(before, after) == ["the bridge br-1", "the file /home/ann/.kube", "the process 9, runc"]
    assert left_behind(after, after) == []
    assert left_behind(after, before) == []


def test_mounts_at_and_below_the_cache_are_ours_and_its_neighbours_are_not() -> None:
    cache = Path("/home/ann/.cache/hcs")
    assert mounts_in(cache, MOUNTS) == {str(cache), f"{cache}/docker/overlay2/x/merged"}


def test_a_bridge_of_the_private_daemons_addresses_is_ours() -> None:
    assert interfaces_in(OURS, ROUTES) == {"br-1a2b"}


def test_rules_of_the_private_daemons_addresses_and_dockers_chains_are_ours() -> None:
    assert rules_of(OURS, RULES) == {
        "-N DOCKER",
        "-A POSTROUTING -s 198.18.64.0/24 ! -o br-1a2b -j MASQUERADE",
    }


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder, with nothing of Docker's on the machine."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(places, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(places, "RUN", tmp_path / "cache" / "run")
    monkeypatch.setattr(places, "KUBECONFIG", tmp_path / "tree" / "config")
    monkeypatch.setattr(Docker, "answers", lambda _: False)
    monkeypatch.setattr(host, "processes_called", lambda _: [])
    monkeypatch.setattr(remains, "_rules", lambda: iter(()))
    monkeypatch.setattr(remains, "_PATIENCE", 0)
    return tmp_path


def test_a_folder_that_appears_at_home_is_told_and_one_that_others_use_too_is_not_looked_into(machine: Path) -> None:
    (machine / ".kube" / "cache").mkdir(parents=True)
    before = remains.look()
    (machine / ".kube" / "cache" / "discovery").mkdir()
    (machine / ".config" / "other").mkdir(parents=True)
    assert remains.since(before) == []
    (machine / ".config" / "go" / "telemetry").mkdir(parents=True)
    (machine / ".kube" / "config").touch()
    places.RUN.mkdir(parents=True)
    assert remains.since(before) == [
        f"the file {machine}/{name}" for name in (".config/go", ".config/go/telemetry", ".kube/config", "cache/run")
    ]


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize(("dockerd", "told"), [([], ["the packet filter's rule filter: -N DOCKER"]), ([7], [])])
def test_a_chain_like_ours_is_not_told_while_a_daemon_of_others_runs(
    dockerd: list[int], told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = remains.look()
    monkeypatch.setattr(remains, "_rules", lambda: iter(["filter: -N DOCKER"]))
    monkeypatch.setattr(host, "processes_called", lambda _: dockerd)
    assert remains.since(before) == told


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize(("climbed", "left", "code"), [(0, [], 0), (0, ["x"], 1), (3, ["x"], 3), (3, [], 3)])
def test_what_is_left_fails_a_run_of_ci_in_words(
    climbed: int,
    left: list[str],
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    told: list[str] = []

    def since(_: Look) -> list[str]:
        told.append("looked")
        return left

    monkeypatch.setenv("CI", "true")
    monkeypatch.delenv("HCS_KUBECONFIG", raising=False)
    monkeypatch.setattr(cluster, "remove_ours", lambda: told.append("removed"))
    monkeypatch.setattr(ladder, "_climb", lambda *_, **__: climbed)
    monkeypatch.setattr(remains, "since", since)
    assert ladder.main(["unit"]) == code
    assert told == ["removed", "removed", "looked"]
    assert ("error: left behind on this machine:\n    x" in capsys.readouterr().out) == bool(left)
