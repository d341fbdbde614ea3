"""Collects what tells why something failed: every pod's logs, descriptions, events, the stacks, the nodes, the daemon's
log.
"""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from hack.cluster import places
from hack.cluster.install import Cluster
from hack.cluster.shell import CommandFailed

_PICTURES = {
    "nodes.txt": ("get", "nodes", "--output", "wide"),
    "everything.txt": (
        "get",
        "pods,deployments,statefulsets,jobs,services,pvc,leases",
        "--all-namespaces",
        "--output",
        "wide",
    ),
    "events.txt": ("get", "events", "--all-namespaces", "--sort-by", ".metadata.creationTimestamp", "--output", "wide"),
    "stacks.txt": ("describe", "hcs", "--all-namespaces"),
    "stacks.yaml": ("get", "hcs", "--all-namespaces", "--output", "yaml"),
    "configmaps.yaml": (
        "get",
        "configmaps",
        "--all-namespaces",
        "--selector",
        "highconcurrency.dev/stack",
        "--output",
        "yaml",
    ),
}


def collect(cluster: Cluster, folder: Path) -> None:
    """Writes into `folder`; what cannot be had is written down in its place. Secrets are never asked for."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, words in _PICTURES.items():
        (folder / name).write_text(_words_of(cluster, *words))
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda pod: _pod(cluster, pod, folder), _pods(cluster)))
    daemon_log = places.RUN / "dockerd.log"
    if daemon_log.exists():
        shutil.copy(daemon_log, folder)


def _words_of(cluster: Cluster, *arguments: str) -> str:
    try:
        return cluster.kubectl("--request-timeout", "20s", *arguments)
    except CommandFailed as error:
        return str(error)


def _pods(cluster: Cluster) -> list[dict[str, Any]]:
    text = _words_of(cluster, "get", "pods", "--all-namespaces", "--output", "json")
    try:
        found: list[dict[str, Any]] = json.loads(text)["items"]
    except ValueError:  # the cluster does not answer; the pictures say so
        return []
    return found


def _pod(cluster: Cluster, pod: dict[str, Any], folder: Path) -> None:
    """One pod's description, and each container's log, the one before a restart too."""
    namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
    place = folder / "pods" / namespace
    place.mkdir(parents=True, exist_ok=True)
    (place / f"{name}.describe.txt").write_text(_words_of(cluster, "--namespace", namespace, "describe", "pod", name))
    status = pod.get("status", {})
    for container in [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]:
        words = ("--namespace", namespace, "logs", name, "--container", container["name"], "--timestamps")
        (place / f"{name}.{container['name']}.log").write_text(_words_of(cluster, *words))
        if container.get("restartCount"):
            (place / f"{name}.{container['name']}.previous.log").write_text(_words_of(cluster, *words, "--previous"))
