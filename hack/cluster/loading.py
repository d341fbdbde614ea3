"""Brings images to where pods run: into every node of our cluster, or to the registry of the user's."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from hack.cluster import places
from hack.cluster.console import step
from hack.cluster.docker import CommandFailed, Docker

_CTR = ("ctr", "--namespace", "k8s.io", "images")


def into_nodes(docker: Docker, nodes: Iterable[str], tags: Iterable[str]) -> None:
    """Imports what a node lacks; images that it has are told by their tags, which are content hashes."""
    wanted = set(tags)
    missing = {node: wanted - _present(docker, node) for node in nodes}
    absent = sorted(set().union(*missing.values()))
    if not absent:
        return
    with (
        step(f"loading {len(absent)} images into {len(missing)} nodes"),
        tempfile.TemporaryDirectory(dir=places.CACHE) as folder,
    ):
        archive = Path(folder) / "images.tar"  # one for all, so that layers which they share travel once
        docker.run("save", "--output", archive, *absent)
        with ThreadPoolExecutor() as pool:
            list(
                pool.map(
                    lambda node: _import(docker, node, archive), [node for node, lacks in missing.items() if lacks]
                )
            )


def _present(docker: Docker, node: str) -> set[str]:
    names = docker.run("exec", node, *_CTR, "list", "--quiet").split()
    return {name.removeprefix("docker.io/").removeprefix("library/") for name in names}


def _import(docker: Docker, node: str, archive: Path) -> None:
    words = [
        "docker",
        *(["--host", docker.host] if docker.host else []),
        "exec",
        "--interactive",
        node,
        *_CTR,
        "import",
        "-",
    ]
    with archive.open("rb") as content:
        done = subprocess.run(words, stdin=content, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CommandFailed(f"importing images into {node}: {done.stderr.strip()}")


def to_registry(docker: Docker, registry: str, tags: Iterable[str]) -> dict[str, str]:
    """Pushes images under the registry's prefix; answers each tag's name there. Official images stay where they are."""
    names = {tag: f"{registry}/{tag}" if tag.startswith("hcs/") else tag for tag in tags}
    for tag, name in names.items():
        if tag != name:
            with step(f"pushing {name}"):
                docker.run("tag", tag, name)
                docker.run("push", "--quiet", name)
    return names
