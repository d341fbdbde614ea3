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
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from hack.cluster import choice, images, places
from hack.cluster.console import Refusal, die, say, step
from hack.cluster.docker import CommandFailed, Docker
from hack.cluster.lock import one_at_a_time

_INSIDE = "/run/hcs-engines"
# The image compiles nothing for later, but a run starts some module a hundred times.
_COMPILED = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": "/tmp/pycache"}


@dataclass(frozen=True)
class Runner:
    """Where tests run, and in and beside which images."""

    docker: Docker
    test: str
    tags: dict[str, str]  # by engine

    @classmethod
    def ready(cls) -> Runner:
        """With every image built."""
        with one_at_a_time():
            source = choice.docker_only()
            tags = {name: images.engine(source.docker, name, official=source.official) for name in images.ENGINES}
            return cls(source.docker, images.ours(source.docker, images.TEST, official=source.official), tags)


def main(arguments: list[str]) -> int:
    """Pytest's exit code."""
    return run(Runner.ready(), arguments or ["tests/engine"])


def side_by_side(*runs: list[str]) -> int:
    """The first exit code that is none of success; what each run printed is shown when it ends."""
    runner = Runner.ready()

    def captured(arguments: list[str]) -> int:
        with tempfile.TemporaryFile("w+") as output:
            code = run(runner, arguments, output)
            output.seek(0)
            print(output.read(), flush=True)
        return code

    with ThreadPoolExecutor() as threads:
        return next((code for code in threads.map(captured, runs) if code), 0)


def run(runner: Runner, arguments: list[str], output: IO[str] | None = None) -> int:
    """One run of pytest, printed or written to `output`."""
    say(f"pytest {' '.join(arguments)}")
    return beside_engines(runner, [runner.test, "pytest", "-p", "no:cacheprovider", *arguments], output=output)


def beside_engines(
    runner: Runner,
    command: Sequence[str],
    *,
    given: Mapping[str, str] | None = None,
    options: Sequence[str] = (),
    output: IO[str] | None = None,
) -> int:
    """An image and its command, as `docker run` takes them, on a network of the run's own, with what is `given` in its
    environment; the command's exit code.
    """
    docker = runner.docker
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
        **_COMPILED,
        **{f"HCS_IMAGE_{engine.upper()}": tag for engine, tag in runner.tags.items()},
        **(given or {}),
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
    words += [*options, *command]
    try:
        environ = {**os.environ, **docker.env}
        return subprocess.run(["docker", *words], env=environ, stdout=output, stderr=output, check=False).returncode
    finally:
        _remove(docker, name, outside)


def _remove(docker: Docker, name: str, outside: Path) -> None:
    with step("removing the run's containers"):
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
