"""Brings images to where pods run: into every node of our cluster, or to the registry of the user's."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from hack.cluster import archive, places
from hack.cluster.console import step
from hack.cluster.docker import CommandFailed, Docker

_CTR = ("ctr", "--namespace", "k8s.io")


def into_nodes(docker: Docker, nodes: Iterable[str], tags: Iterable[str]) -> None:
    """Imports what a node lacks; images that it has are told by their tags, which are content hashes."""
    wanted = set(tags)
    missing = {node: lacks for node in nodes if (lacks := wanted - _present(docker, node))}
    if not missing:
        return
    absent = sorted(set().union(*missing.values()))
    with (
        step(f"loading {len(absent)} images into {len(missing)} nodes"),
        tempfile.TemporaryDirectory(dir=places.SCRATCH) as folder,
    ):
        images = Path(folder) / "images.tar"  # one for all, so that a layer which they share travels once
        known = set.intersection(*(_blobs(docker, node) for node in missing))
        archive.write(docker, {tag: _full_name(tag) for tag in absent}, images, known=known)
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda node: _import(docker, node, images), missing))


def _full_name(tag: str) -> str:
    """As the kubelet looks it up: with the registry that a short name stands for."""
    if "." in tag.partition("/")[0]:
        return tag
    return f"docker.io/{tag}" if "/" in tag else f"docker.io/library/{tag}"


def _present(docker: Docker, node: str) -> set[str]:
    names = set(docker.run("exec", node, *_CTR, "images", "list", "--quiet").split())
    return {tag for name in names for tag in (name, name.removeprefix("docker.io/").removeprefix("library/"))}


def _blobs(docker: Docker, node: str) -> set[str]:
    return set(docker.run("exec", node, *_CTR, "content", "list", "--quiet").split())


def _import(docker: Docker, node: str, images: Path) -> None:
    host = ["--host", docker.host] if docker.host else []
    words = ["docker", *host, "exec", "--interactive", node, *_CTR, "images", "import", "-"]
    with images.open("rb") as content:
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
