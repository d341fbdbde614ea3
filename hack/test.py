"""`make test`: climbs the rungs lint, unit, engine, apiserver, cluster, and says what each did and how long it took.

Each rung needs more than the one before, so a mistake is found where it is cheapest; the first rung that fails ends the
climb. A cluster that runs is used, else one is made and removed at the end. With CI=true everything starts over, what a
failure left to see is collected into .artifacts/ first, and what is still on the machine once all is removed fails the
run. `python3 -m hack.test unit apiserver` runs only those.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from hack import engine, venv
from hack.cluster import __main__ as cluster
from hack.cluster import choice, places, remains, tools
from hack.cluster.console import Refusal, die, say
from hack.cluster.docker import CommandFailed

_TESTS = places.ROOT / "tests"
_HUNG = {
    "unit": 60,
    "engine": 900,
    "apiserver": 900,
    "cluster": 1500,
    "chaos": 1500,
}  # seconds after which a single test is broken
_SIDE_BY_SIDE = 3  # API server tests wait longer than they compute; each of the processes has its own control plane
# The engine rung's parts, which take about as long: the tests wait more than they compute. What is named nowhere is the
# last one.
_PARTS = (
    ("test_group_of_three.py", "test_services_failover.py", "test_global_limit.py"),
    ("test_queue_of_three.py", "test_member.py", "test_settings.py"),
    (
        "test_data_loss.py",
        "test_errant.py",
        "test_reader.py",
        "test_built_engines.py",
        "test_throttling.py",
        "test_killed_primary_of_three.py",
    ),
)
# Compares two rates that follow each other, so it needs the machine to itself: `make races` runs it.
_ALONE = "test_overload.py"
_CODE = ("operator", "services", "examples", "hack", "tests", "benchmarks")


@dataclass(frozen=True)
class Rung:
    """One rung: its name, what it proves, and what runs it; that answers an exit code."""

    name: str
    proves: str
    climb: Callable[[], int]
    on_demand: bool = False  # climbed only when it is named


def lint() -> int:
    """Style, types, import layers, generated files."""
    programs = venv.ensure()
    commands: list[list[str | Path]] = [
        [programs / "ruff", "check", "--output-format=concise", "."],
        [programs / "ruff", "format", "--check", "."],
        [programs / "mypy", *(name for name in _CODE if (places.ROOT / name).exists())],
        [sys.executable, "-m", "hack.generate", "--check"],
    ]
    if (places.ROOT / ".importlinter").exists():
        commands.append([programs / "lint-imports"])
    paths = os.pathsep.join(str(places.ROOT / name) for name in ("operator", "services"))
    # mypy goes by a file's content where its path or time is another, so that clones share what it knows.
    return _first_failure(commands, {"PYTHONPATH": paths, "MYPY_CACHE_DIR": str(places.CACHE / "mypy")})


def unit() -> int:
    """Pure cores and fakes; charts are rendered with helm."""
    return _pytest("unit", _with_programs(tools.clients()), "--numprocesses=logical", "--dist=worksteal")


def apiserver() -> int:
    """kube-apiserver and etcd, started by the tests."""
    environment = _with_programs(tools.ensure(tools.KUBERNETES_AND_FRIENDS))
    return _pytest("apiserver", environment, f"--numprocesses={_SIDE_BY_SIDE}", "--dist=worksteal")


def engines() -> int:
    """In containers beside MySQL, Redis and RabbitMQ: in parts side by side that take about as long."""
    files = sorted(file for file in (_TESTS / "engine").rglob("test_*.py") if file.name != _ALONE)
    named = {name for part in _PARTS for name in part}
    parts = [[file for file in files if file.name in part] for part in _PARTS]
    parts.append([file for file in files if file.name not in named])
    words = ["-m", "engine", f"--timeout={_HUNG['engine']}"]
    return engine.side_by_side(*([*words, *(str(file.relative_to(places.ROOT)) for file in part)] for part in parts))


def in_cluster() -> int:
    """Against the sample stack and stacks of the tests' own."""
    return _on_our_cluster("cluster")


def chaos() -> int:
    """Against the sample stack alone, for hours."""
    return _on_our_cluster("chaos")


def _on_our_cluster(marker: str) -> int:
    """On a cluster that `make up` makes or finds."""
    cluster.up()
    source = choice.docker_only()
    running = cluster.running()
    environment = {
        **_with_programs(running.programs),
        **source.docker.env,
        "HCS_TEST_KUBECONFIG": str(running.kubeconfig),
    }
    return _pytest(marker, environment, "--capture=no")


RUNGS = (
    Rung("lint", "ruff, mypy strict, import layers, generated files are fresh", lint),
    Rung("unit", "pure cores, builders and fakes", unit),
    Rung("engine", "against real MySQL, Redis and RabbitMQ, in the images' Python", engines),
    Rung("apiserver", "against kube-apiserver and etcd", apiserver),
    Rung("cluster", "stacks on a kind cluster: flow, healing, scaling, faults", in_cluster),
    Rung("chaos", "no acknowledged write is lost, fault by fault", chaos, on_demand=True),
)
_DAILY = [rung.name for rung in RUNGS if not rung.on_demand]
_KILLERS = (in_cluster, chaos)


def _folders(rung: str) -> list[str]:
    """The test folders with tests on the rung: its own, and those in which a module says so."""
    found = set()
    for file in _TESTS.rglob("test_*.py"):
        folder = file.relative_to(_TESTS).parts[0]
        if folder == rung or f"pytest.mark.{rung}" in file.read_text():
            found.add(f"tests/{folder}")
    return sorted(found)


def _pytest(marker: str, environment: Mapping[str, str], *options: str) -> int:
    places.PYTEST.mkdir(parents=True, exist_ok=True)
    words: list[str | Path] = [
        venv.ensure() / "pytest",
        "-m",
        marker,
        f"--timeout={_HUNG[marker]}",
        *options,
        *_folders(marker),
    ]
    return _first_failure([words], environment)


def _with_programs(folder: Path) -> dict[str, str]:
    """Where tests find kubectl, helm, kube-apiserver and etcd."""
    return {"HCS_TEST_BIN": str(folder), "HCS_TEST_PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}


def _first_failure(commands: list[list[str | Path]], environment: Mapping[str, str]) -> int:
    environ = {**os.environ, **places.HOMES, **environment}
    for command in commands:
        say(" ".join(Path(word).name if index == 0 else str(word) for index, word in enumerate(command)))
        done = subprocess.run(command, cwd=places.ROOT, env=environ, check=False)
        if done.returncode:
            return done.returncode
    return 0


def main(arguments: list[str]) -> int:
    """Climbs; an exit code."""
    fresh = os.environ.get("CI") == "true"
    wanted = [rung for rung in RUNGS if rung.name in (arguments or _DAILY)]
    unknown = set(arguments) - {rung.name for rung in RUNGS}
    if unknown:
        die(f"no such rung: {', '.join(sorted(unknown))}")
    if choice.external() and any(rung.climb in _KILLERS for rung in wanted):
        lower = " ".join(rung.name for rung in RUNGS if rung.climb not in _KILLERS)
        die(
            "the cluster rung kills what it tests and refuses a cluster of yours: "
            f"unset HCS_KUBECONFIG, or run the rungs below it (ARGS='{lower}')"
        )
    if fresh:
        cluster.remove_ours()
    before = remains.look() if fresh else None
    found = places.RUN.exists() or places.KUBECONFIG.exists()
    try:
        code = _climb([rung for rung in wanted if rung.name == "lint" or _folders(rung.name)], keep=fresh)
    finally:
        if fresh or not found:
            cluster.remove_ours()
    if before is not None and (left := remains.since(before)):
        print("error: left behind on this machine:\n    " + "\n    ".join(left), flush=True)
        return code or 1
    return code


def _climb(rungs: list[Rung], *, keep: bool) -> int:
    """Runs the rungs up to the first that fails, then prints the list with times. `keep` collects what a failure
    left.
    """
    took: list[str] = []
    code = 0
    for rung in rungs:
        print(f"\n=== {rung.name}: {rung.proves}", flush=True)
        started = time.monotonic()
        try:
            code = rung.climb()
        except (CommandFailed, Refusal) as error:
            print(f"error: {error}", flush=True)
            code = 1
        except Exception:  # noqa: BLE001 - a mistake of ours: what it left is to be seen all the same
            traceback.print_exc()
            code = 1
        took.append(f"{rung.name:10} {'failed' if code else 'passed':7} {time.monotonic() - started:6.0f} s")
        if code:
            break
    if code and keep:
        cluster.logs()
    print("\n=== " + "\n    ".join(took), flush=True)
    return code


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (CommandFailed, Refusal) as error:
        die(str(error))
    except KeyboardInterrupt:
        die("make test was interrupted; it can be repeated")
