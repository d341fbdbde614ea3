"""Which cluster and which images: the first of four ways that this machine allows, or a refusal.

1. `HCS_KUBECONFIG` names a cluster: it is used, nothing is created, images go to `HCS_REGISTRY`.
2. Docker answers and can pull a kind node: plain kind, official engine images.
3. Docker answers and has no registry, root on Debian: everything is built from packages.
4. No Docker, root on Debian: a private daemon, then as 3.
5. Otherwise a refusal that says what is missing.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from hack.cluster import daemon, host, places
from hack.cluster.console import Refusal, say
from hack.cluster.docker import Docker

KIND_NODE = "kindest/node:v1.34.3"


@dataclass(frozen=True)
class Source:
    """Where images are built or pulled."""

    docker: Docker
    official: bool  # a registry answers: engines and bases are pulled


@dataclass(frozen=True)
class External:
    """A cluster of the user's."""

    kubeconfig: Path
    registry: str  # prefix that images are pushed under, `registry.example/team`


def docker_only() -> Source:
    """A daemon to build and run containers with, by ways 2 to 4. Raises Refusal where none is open."""
    if daemon.is_running():
        return Source(daemon.docker(), official=False)
    theirs = Docker()
    if theirs.answers():
        if _official(theirs):
            say("using Docker, with official images")
            return Source(theirs, official=True)
        if not _builds_images():
            _known().unlink()  # whoever mends the registry is asked about it anew
            raise Refusal(
                f"Docker cannot pull {KIND_NODE}: let it reach a registry that has it,"
                " or run this as root on Debian, which builds every image from packages"
            )
        say("using Docker, which has no registry: images are built from packages")
        return Source(theirs, official=False)
    if not _builds_images():
        raise Refusal("no Docker daemon answers: install and start Docker, or run this as root on Debian")
    say("no Docker here: using a private daemon, images are built from packages")
    daemon.start()
    return Source(daemon.docker(), official=False)


def external() -> External | None:
    """The user's cluster, by way 1."""
    kubeconfig = os.environ.get("HCS_KUBECONFIG")
    if not kubeconfig:
        return None
    registry = os.environ.get("HCS_REGISTRY")
    if not registry:
        raise Refusal("HCS_KUBECONFIG is set: set HCS_REGISTRY too, the registry that this cluster pulls images from")
    if not Path(kubeconfig).is_file():
        raise Refusal(f"HCS_KUBECONFIG names no file: {kubeconfig}")
    return External(Path(kubeconfig).absolute(), registry.rstrip("/"))


def _builds_images() -> bool:
    """Whether this machine can make a base image: debootstrap is Debian's, and wants to be root."""
    return host.is_root() and host.is_debian()


def _official(docker: Docker) -> bool:
    """Whether the kind node can be pulled; kept while a cluster runs, since a second look would take seconds."""
    known = _known()
    if not known.exists():
        places.RUN.mkdir(parents=True, exist_ok=True)
        known.write_text("official" if docker.pulls(KIND_NODE) else "none")
    return known.read_text() == "official"


def _known() -> Path:
    """Where it is kept what the look at the registry found."""
    return places.RUN / "registry"
