"""The members of a stack's database: how many, who leads, and how to lose one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from tests.cluster.conftest import Stack
from tests.cluster.kubectl import until

Loss = Callable[[Stack, str], AbstractContextManager[None]]
"""Loses the member of that name while the block runs, or as far as it goes."""


def want(stack: Stack, count: int) -> None:
    """Asks for so many members."""
    stack.patch({"database": {"members": count}})


def are_safe(stack: Stack) -> bool | None:
    """Whether all three are there, each on a node of its own."""
    database = stack.resource()["status"]["database"]
    online = [it for it in database["instances"] if it["role"] == "member" and it["state"] == "ONLINE"]
    return (len(online) == 3 and database["safeToLosePrimary"]) or None


def primary(stack: Stack) -> str:
    """The primary's name as status tells it; empty while there is none."""
    return str(stack.resource()["status"]["database"].get("currentPrimary", ""))


@contextmanager
def killed(stack: Stack, pod: str) -> Iterator[None]:
    """Its mysqld is killed with -9."""
    stack.kubectl.signal_container(pod, "mysqld")
    yield


@contextmanager
def deleted(stack: Stack, pod: str) -> Iterator[None]:
    """Its pod is deleted with grace; a new one is ready at the end."""
    before = stack.kubectl.get("pod", pod)
    assert before, pod
    stack.kubectl.delete("pod", pod, wait=False)
    yield

    def another_is_ready() -> bool | None:
        now = stack.kubectl.get("pod", pod)
        if now is None or now["metadata"]["uid"] == before["metadata"]["uid"]:
            return None
        statuses = now["status"].get("containerStatuses", [])
        return (bool(statuses) and all(status["ready"] for status in statuses)) or None

    until(f"another pod {pod} is ready", another_is_ready, 120)


@contextmanager
def hung(stack: Stack, pod: str) -> Iterator[None]:
    """Its mysqld neither answers nor ends, and goes on at the end."""
    stack.kubectl.signal_container(pod, "mysqld", "STOP")
    try:
        yield
    finally:
        stack.kubectl.signal_container(pod, "mysqld", "CONT")


@contextmanager
def all_killed(stack: Stack, _: str) -> Iterator[None]:
    """Every member's mysqld is killed with -9 within a second or two, whichever is named."""
    for pod in stack.kubectl.pods(stack.name, "db"):
        stack.kubectl.signal_container(str(pod["metadata"]["name"]), "mysqld")
    until("nobody leads", lambda: primary(stack) == "" or None, 30)
    yield
