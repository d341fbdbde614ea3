"""Which cluster and which images: the first of four ways that this machine allows.

1. `HCS_KUBECONFIG` names a cluster: it is used, nothing is created, images go to `HCS_REGISTRY`.
2. Docker answers and can pull a kind node: plain kind, official engine images.
3. Docker answers and has no registry, root on Debian: everything is built from packages.
4. No Docker, root on Debian: a private daemon, then as 3.

Where none is possible, one line says what would make one so.
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
    """A daemon to build and run containers with, by ways 2 to 4. Raises Refusal where this machine allows none."""
    if daemon.is_running():
        return Source(daemon.docker(), official=False)
    builds = host.is_root() and host.is_debian()  # debootstrap and chroot make the base of all images
    theirs = Docker()
    if theirs.answers():
        return _of_theirs(theirs, builds=builds)
    if builds:
        say("no Docker here: using a private daemon, images are built from packages")
        daemon.start()
        return Source(daemon.docker(), official=False)
    raise Refusal("no Docker daemon answers: install and start Docker, or run this as root on Debian")


def _of_theirs(docker: Docker, *, builds: bool) -> Source:
    """The user's daemon. Whether it can pull the kind node is kept while a cluster runs: asking takes seconds."""
    known = places.RUN / "registry"
    official = known.read_text() == "official" if known.exists() else docker.pulls(KIND_NODE)
    if not official and not builds:
        known.unlink(missing_ok=True)  # asked anew once there is a registry
        raise Refusal(
            f"Docker cannot pull {KIND_NODE}: give it a registry that has it, or run this as root on Debian, where "
            "images are built from packages"
        )
    if not known.exists():
        known.parent.mkdir(parents=True, exist_ok=True)
        known.write_text("official" if official else "none")
    say(
        "using Docker, with official images"
        if official
        else "using Docker, which has no registry: images are built from packages"
    )
    return Source(docker, official=official)


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
