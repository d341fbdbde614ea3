"""A member's volume on its node: how it is lost, and how it is full."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.cluster import members, nodes
from tests.cluster.conftest import Stack
from tests.cluster.kubectl import in_node

_ASIDE = "/var/moved"
_ROOM = 300 << 20  # bytes left on a small volume
_FULL_FOR = 20.0  # seconds


@contextmanager
def lost(stack: Stack, pod: str) -> Iterator[None]:
    """Its files are gone at once, and its mysqld with them: one whose files went one by one would stall first."""
    node, folder = nodes.of(stack, pod), _folder(stack, pod)
    in_node(node, "mkdir", _ASIDE)
    aside = ("-exec", "mv", f"--target-directory={_ASIDE}", "{}", "+")
    in_node(node, "find", folder, "-mindepth", "1", "-maxdepth", "1", *aside)
    stack.kubectl.signal_container(pod, "mysqld")
    in_node(node, "rm", "--recursive", _ASIDE)
    yield


def give_the_primary_a_small_one(stack: Stack) -> None:
    """Has a primary whose volume is a file system of its own with little room."""
    if _is_small(stack, members.primary(stack)):
        return
    pod = next(name for name in members.names(stack) if name != members.primary(stack))
    node, folder = nodes.of(stack, pod), _folder(stack, pod)
    stack.kubectl.run("cordon", node)  # its pod can be nowhere else, so it waits
    try:
        stack.kubectl.delete("pod", pod)
        used = int(in_node(node, "du", "--summarize", "--bytes", folder).split()[0])
        in_node(node, "cp", "--archive", folder, _ASIDE)
        in_node(node, "mount", "--types", "tmpfs", "--options", f"size={used + _ROOM}", "tmpfs", folder)
        in_node(node, "cp", "--archive", f"{_ASIDE}/.", folder)
        in_node(node, "rm", "--recursive", _ASIDE)
    finally:
        stack.kubectl.run("uncordon", node)
    members.until_safe(stack)
    members.promote(stack, pod)


@contextmanager
def full(stack: Stack, pod: str) -> Iterator[None]:
    """Nothing more fits on it for a while."""
    node, filler = nodes.of(stack, pod), f"{_folder(stack, pod)}/filler"
    in_node(node, "sh", "-c", f"head --bytes=1T /dev/zero > {filler} || true")
    try:
        time.sleep(_FULL_FOR)
    finally:
        in_node(node, "rm", filler)
    yield


def _is_small(stack: Stack, pod: str) -> bool:
    mounts = in_node(nodes.of(stack, pod), "cat", "/proc/mounts").splitlines()
    return f"tmpfs {_folder(stack, pod)}" in (line.rsplit(" tmpfs ")[0] for line in mounts)


def _folder(stack: Stack, pod: str) -> str:
    """Where its files are on its node."""
    claim = stack.kubectl.get("persistentvolumeclaim", f"data-{pod}")
    assert claim, pod
    volume = stack.kubectl.get("persistentvolume", claim["spec"]["volumeName"])
    assert volume, claim
    source = volume["spec"].get("hostPath") or volume["spec"]["local"]
    return str(source["path"])
