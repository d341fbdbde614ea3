"""What becomes of the deliveries of a group, and which rows that writes; pure.

The rule: as if each had a transaction of its own, one after the other in the order given. Several deliveries of one
task may be in a group: the later ones find what the first has done.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hcs_services.worker.task import Task
from hcs_services.worker.task_rows import Earlier


@dataclass(frozen=True, slots=True)
class Begun:
    """The rows to add and the rows that show another try, in the order in which they are locked; what each found."""

    added: tuple[Task, ...]
    again: tuple[Task, ...]
    found: tuple[Earlier | None, ...]


def begin(tasks: Sequence[Task], rows: Mapping[str, Earlier]) -> Begun:
    """Let each task begin that has not ended; `rows` is what the locked rows of `tasks` say, by task id."""
    known = dict(rows)
    added, again, found = [], [], []
    for task in tasks:
        earlier = known.get(task.id)
        found.append(earlier)
        if earlier is None:
            added.append(task)
        elif not earlier.ended:
            again.append(task)
        else:
            continue
        known[task.id] = Earlier("running", None)
    return Begun(_locked(added), _locked(again), tuple(found))


def first_of_each(tasks: Sequence[Task]) -> tuple[bool, ...]:
    """Whether each is the first of its task here, which has the effect; another one is a repetition."""
    seen: set[str] = set()
    firsts = []
    for task in tasks:
        firsts.append(task.id not in seen)
        seen.add(task.id)
    return tuple(firsts)


def _locked(tasks: Sequence[Task]) -> tuple[Task, ...]:
    return tuple(sorted(tasks, key=lambda task: task.id))
