"""Runs the engine tests: `python3 -m hack.engine [pytest arguments]`.

pytest runs in the `test` image, on a network of the run's own, with the work tree mounted read-only; the tests start
their engines beside it through the daemon's socket. Several runs can go on at once; whatever a run made is removed at
its end.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
from pathlib import Path

from hack.cluster import choice, images, places
from hack.cluster.console import Refusal, die, say, step
from hack.cluster.docker import CommandFailed, Docker
from hack.cluster.lock import one_at_a_time

_INSIDE = "/run/hcs-engines"


def main(arguments: list[str]) -> int:
    """Pytest's exit code."""
    with one_at_a_time():
        source = choice.docker_only()
        tags = {name: images.engine(source.docker, name, official=source.official) for name in images.ENGINES}
        test = images.ours(source.docker, images.TEST, official=source.official)
    return run(source.docker, test, tags, arguments or ["tests/engine"])


def run(docker: Docker, test: str, tags: dict[str, str], arguments: list[str]) -> int:
    """One run on a network of its own."""
    name = f"hcs-{secrets.token_hex(3)}"
    outside = places.RUN / "engines" / name
    outside.mkdir(parents=True)
    docker.run("network", "create", "--label", "hcs=1", name)
    socket = (docker.host or "unix:///var/run/docker.sock").removeprefix("unix://")
    environment = {
        "HCS_ENGINE_RUN": name,
        "HCS_ENGINE_NETWORK": name,
        "HCS_ENGINE_SHARED": _INSIDE,
        "HCS_ENGINE_SHARED_OUTSIDE": str(outside),
        "CI": os.environ.get("CI", ""),
        **{f"HCS_IMAGE_{engine.upper()}": tag for engine, tag in tags.items()},
    }
    words = ["run", "--rm", "--init", "--name", f"{name}-tests", "--network", name, "--label", f"hcs-test-run={name}"]
    words += [
        "--volume",
        f"{places.ROOT}:/work:ro",
        "--volume",
        f"{outside}:{_INSIDE}",
        "--volume",
        f"{socket}:/var/run/docker.sock",
    ]
    words += [word for key, value in environment.items() for word in ("--env", f"{key}={value}")]
    words += [test, "pytest", "-p", "no:cacheprovider", *arguments]
    try:
        say(f"pytest {' '.join(arguments)}")
        return subprocess.run(["docker", *words], env={**os.environ, **docker.env}, check=False).returncode
    finally:
        _remove(docker, name, outside)


def _remove(docker: Docker, name: str, outside: Path) -> None:
    with step("removing the test's containers"):
        docker.remove_containers(f"label=hcs-test-run={name}")
        volumes = docker.run("volume", "ls", "--quiet", "--filter", f"name={name}-").split()
        if volumes:
            docker.run("volume", "rm", *volumes)
        docker.remove_network(name)
        shutil.rmtree(outside)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (CommandFailed, Refusal) as error:
        die(str(error))
