"""A private daemon that was killed: the next one starts over what it left, and its end leaves nothing."""

from __future__ import annotations

import io
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hack.cluster import host
from hack.cluster.docker import Docker

pytestmark = pytest.mark.cluster

ROOT = Path(__file__).parents[2]
IMAGE = "hcs/remains:1"


def daemon(cache: Path, call: str) -> None:
    """Calls `hack.cluster.daemon` as `make` does, with a cache of the test's own."""
    program = f"from hack.cluster import daemon; daemon.{call}()"
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT, env={**os.environ, "HCS_CACHE": str(cache)})


def import_image(docker: Docker) -> None:
    """An image of one program that waits for its end."""
    pause = Path(os.environ["HCS_TEST_BIN"]) / "pause"
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        tar.add(pause, "pause")
    environment = {**os.environ, **docker.env}
    subprocess.run(["docker", "import", "-", IMAGE], input=layer.getvalue(), check=True, env=environment)


@pytest.fixture
def cache() -> Iterator[Path]:
    """A cache of the test's own, with a short path: a socket's is bounded."""
    if not host.is_root() or not shutil.which("dockerd"):
        pytest.skip("a private daemon needs root and dockerd")
    folder = Path(tempfile.mkdtemp(prefix="hcs-"))
    yield folder
    daemon(folder, "stop")
    shutil.rmtree(folder)


def test_a_daemon_starts_over_a_killed_ones_remains_and_stops_without_a_trace(cache: Path) -> None:
    daemon(cache, "start")
    docker = Docker(f"unix://{cache / 'run' / 'docker.sock'}")
    import_image(docker)
    docker.ensure_network("hcs-remains")
    container = docker.run("run", "--detach", "--network", "hcs-remains", IMAGE, "/pause").strip()
    process = int(docker.run("inspect", "--format", "{{.State.Pid}}", container))
    os.kill(int((cache / "run" / "docker.pid").read_text()), signal.SIGKILL)
    assert host.holds(lambda: not docker.answers(), 30)
    assert host.is_alive(process), "the container outlives its daemon"

    daemon(cache, "start")
    assert not host.is_alive(process)
    assert docker.containers() == [container]

    daemon(cache, "stop")
    assert not (cache / "run").exists()
    assert host.processes_naming(str(cache)) == []
    assert str(cache) not in Path("/proc/self/mountinfo").read_text()
