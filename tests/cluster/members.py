"""The members of a stack's database: how many, who leads, and how to lose one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from tests.cluster.conftest import Stack
from tests.cluster.kubectl import until

COUNTED = """
from hcs_operator.mysql.session import over_socket
with over_socket("/run/mysqld/mysqld.sock") as session:
    for row in session.query("SELECT MEMBER_HOST AS host FROM performance_schema.replication_group_members"):
        print(row["host"])
"""
Loss = Callable[[Stack, str], AbstractContextManager[None]]
"""Loses the member of that name while the block runs, or as far as it goes."""


def want(stack: Stack, count: int) -> None:
    """Asks for so many members."""
    stack.patch({"database": {"members": count}})


def names(stack: Stack) -> list[str]:
    """The members' pods."""
    return [str(pod["metadata"]["name"]) for pod in stack.kubectl.pods(stack.name, "db")]


def are_safe(stack: Stack) -> bool | None:
    """Whether all three are there, each on a node of its own."""
    return (online(stack) == 3 and _told(stack).get("safeToLosePrimary")) or None


def until_safe(stack: Stack, seconds: float = 240) -> None:
    """Waits until all three are there."""
    until("three members are online", lambda: are_safe(stack), seconds)


def recorded(stack: Stack) -> list[str]:
    """The group's members by status: who may join it."""
    return list(_told(stack).get("claim", {}).get("members", ()))


def online(stack: Stack) -> int:
    """How many members status calls ONLINE."""
    instances = _told(stack).get("instances", ())
    return sum(it["role"] == "member" and it["state"] == "ONLINE" for it in instances)


def until_called(stack: Stack, reason: str) -> dict[str, Any]:
    """Waits until DurabilitySatisfied has that reason, and answers it."""
    return until(
        f"it is called {reason}",
        lambda: found if (found := stack.condition("DurabilitySatisfied")).get("reason") == reason else None,
        60,
    )


def primary(stack: Stack) -> str:
    """The primary's name as status tells it; empty while there is none."""
    return str(_told(stack).get("currentPrimary", ""))


def _told(stack: Stack) -> dict[str, Any]:
    """What status tells of the database; nothing while a stack is so new that it has none."""
    return dict(stack.resource().get("status", {}).get("database", {}))


def until_another_leads(stack: Stack, pod: str) -> None:
    """Waits until the primary is another member than that one."""
    until("another member leads", lambda: primary(stack) not in {"", pod} or None, 60)


def promote(stack: Stack, pod: str) -> None:
    """Makes that member the primary, as a user would: a wish that was refused, because the group was not fit for a hand-over
    while it was young, is taken back and made anew.
    """

    def leads() -> bool | None:
        if _told(stack).get("promotion", {}).get("state") == "Refused":
            _wish(stack, pod)
        return primary(stack) == pod or None

    _wish(stack, pod)
    until(f"{pod} leads", leads, 60)


def _wish(stack: Stack, pod: str) -> None:
    stack.kubectl.run("annotate", "hcs", stack.name, "highconcurrency.dev/promote-")
    until("no wish is left", lambda: "promotion" not in _told(stack) or None, 30)
    stack.kubectl.run("annotate", "hcs", stack.name, f"highconcurrency.dev/promote={pod}")


def make_one(stack: Stack) -> None:
    """Has the group shrink to one member."""
    want(stack, 1)
    until("one pod is left", lambda: len(names(stack)) == 1 or None, 180)
    until("nothing is left to do", lambda: "journal" not in stack.resource()["status"] or None, 60)


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
    for pod in names(stack):
        stack.kubectl.signal_container(pod, "mysqld")
    until("nobody leads", lambda: primary(stack) == "" or None, 30)
    yield


@contextmanager
def others_killed(stack: Stack, pod: str) -> Iterator[None]:
    """The mysqld of each member but the named one is killed with -9: what is left is no majority."""
    for other in names(stack):
        if other != pod:
            stack.kubectl.signal_container(other, "mysqld")
    yield


@contextmanager
def rolled(stack: Stack, _: str) -> Iterator[None]:
    """Every member's pod has been replaced, one after the other, as a change of its template has it done."""
    before = _uids(stack)
    requests = _mysqld(stack)["resources"]["requests"]
    other = "51m" if requests["cpu"] == "50m" else "50m"
    stack.patch({"database": {"resources": {"requests": {"cpu": other}}}})
    until("every member is another pod", lambda: not before & _uids(stack) or None, 300)
    until_safe(stack)
    yield


@contextmanager
def grown(stack: Stack, _: str) -> Iterator[None]:
    """A group of one has become one of three."""
    want(stack, 3)
    until_safe(stack)
    yield


@contextmanager
def joiner_killed(stack: Stack, pod: str) -> Iterator[None]:
    """A group of one grows: whoever joins first is killed with -9 when the group counts two, the other being held back."""
    third = pod.removesuffix("0") + "2"
    want(stack, 3)
    until("both may join", lambda: len(recorded(stack)) == 3 or None, 120, every=0.1)
    with hung(stack, third):
        joined = until("the group counts two", lambda: _others(stack, pod, third), 120, every=0.1)
        stack.kubectl.signal_container(joined[0], "mysqld")
    yield


def _others(stack: Stack, pod: str, third: str) -> list[str]:
    """Whom but these two a member counts to its group."""
    hosts = stack.kubectl.run("exec", pod, "--container=agent", "--", "python3", "-c", COUNTED).split()
    return [name for name in (host.partition(".")[0] for host in hosts) if name not in {pod, third}]


def _uids(stack: Stack) -> set[str]:
    return {pod["metadata"]["uid"] for pod in stack.kubectl.pods(stack.name, "db")}


def _mysqld(stack: Stack) -> dict[str, Any]:
    containers = stack.kubectl.pods(stack.name, "db")[0]["spec"]["containers"]
    return next(it for it in containers if it["name"] == "mysqld")
