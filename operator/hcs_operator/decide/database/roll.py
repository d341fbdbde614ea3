"""Bringing pods to the current template, one at a time: readers first, then secondaries, the primary last.

The StatefulSets are OnDelete, so that the order can follow the roles. A change is a new fingerprint of the template,
which leaves the agent's image out: an operator upgrade alone restarts no mysqld. Their controller sees the change
of one StatefulSet before that of the other: until it has seen both, nobody can say who comes first.
"""

from typing import NamedTuple

from hcs_operator.api.database import TEMPLATE_HASH, DatabaseView, InstanceView, Role
from hcs_operator.api.observed import Reason
from hcs_operator.decide.database.membership import hand_over, others_serve, successors
from hcs_operator.decide.database.steps import HandOver, Recreate

REVISION_LABEL = "controller-revision-hash"


class Roll(NamedTuple):
    """The next pod to make anew (a primary hands over first), what is left to do in words, and what stops it."""

    step: Recreate | HandOver | None = None
    pending: tuple[str, ...] = ()
    problem: Reason | None = None


def roll(view: DatabaseView, leader: InstanceView | None, settled: frozenset[str]) -> Roll:
    """Judge the pods. `settled` names the instances that do what they are there for."""
    stuck = next((it for it in view.instances if _stuck(it, view)), None)
    if stuck is not None and not stuck.pod.deleting:
        return Roll(_recreate(view, stuck, "it does not run and its template was changed since"))
    stale = [it for it in _ordered(view, leader) if _stale(it, view)]
    if not stale:
        return Roll()
    pending = tuple(it.instance.name for it in stale)
    failed = next((it for it in view.instances if it.pod.problem and not it.pod.ready and not _stale(it, view)), None)
    if failed is not None and failed.pod.problem:
        words = (
            f"{failed.instance.name} does not run with the new template: {failed.pod.problem.message.rstrip('.')}. "
            f"{', '.join(pending)} keep the old one; correct or revert the change."
        )
        return Roll(pending=pending, problem=Reason("RolloutStopped", words))
    moving = any(it.pod.deleting or it.instance.name not in settled for it in view.instances if it is not stale[0])
    unseen = view.absent or any(it.instance.role not in view.revisions for it in view.instances)
    if leader is None or moving or unseen or stale[0].pod.deleting or not others_serve(view, leader, stale[0]):
        return Roll(pending=pending)
    others = successors(view, leader)
    if stale[0] is leader and others:
        why = "it handed over before its pod is made anew from the changed template"
        return Roll(hand_over(leader.instance, others[0], why), pending)
    return Roll(_recreate(view, stale[0], "its template was changed"), pending)


def _ordered(view: DatabaseView, leader: InstanceView | None) -> list[InstanceView]:
    readers = list(reversed(view.of(Role.READER)))
    secondaries = [member for member in reversed(view.of(Role.MEMBER)) if member is not leader]
    return [*readers, *secondaries, *([leader] if leader else [])]


def _stale(it: InstanceView, view: DatabaseView) -> bool:
    revision = view.revisions.get(it.instance.role)
    return revision is not None and it.pod.annotations.get(TEMPLATE_HASH) != revision.fingerprint


def _stuck(it: InstanceView, view: DatabaseView) -> bool:
    """A pod that cannot run and is not of the current revision: its StatefulSet would leave it so for ever."""
    revision = view.revisions.get(it.instance.role)
    old = revision is not None and it.pod.labels.get(REVISION_LABEL) != revision.name
    return old and it.pod.problem is not None and not it.pod.ready


def _recreate(view: DatabaseView, it: InstanceView, why: str) -> Recreate:
    return Recreate(view.namespace, it.pod.name, it.pod.uid, why, it.pod.ready)
