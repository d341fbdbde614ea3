"""`status.workers` and `status.readReplicas`: the count, what the law wants, and its last decision in words."""

from collections.abc import Mapping
from typing import Any

from hcs_operator.api.labels import selector
from hcs_operator.api.names import REPLICA, WORKER
from hcs_operator.api.observed import QueueFigures, Scaling
from hcs_operator.api.times import seconds, stamp
from hcs_operator.decide.autoscaling.readers import ReaderState
from hcs_operator.status.facts import Facts
from hcs_operator.status.figures import renewed, two_digits


def workers(facts: Facts) -> dict[str, Any]:
    """Workers, with the length of the queue."""
    queue = facts.snapshot.queue
    length = float(queue.ready + queue.unacked) if isinstance(queue, QueueFigures) else None
    return _tier(facts, WORKER, "workers", facts.outlook.workers, length, "")


def readers(facts: Facts) -> dict[str, Any]:
    """Read replicas, with the share of users' reads that the cache answers."""
    scaling = facts.outlook.readers
    state = scaling.recommendation.state if scaling.recommendation else None
    ratio = state.hit_ratio if isinstance(state, ReaderState) else None
    return _tier(facts, REPLICA, "readReplicas", scaling, None if ratio is None else 100 * ratio, "%")


def _tier(facts: Facts, component: str, key: str, scaling: Scaling, figure: float | None, unit: str) -> dict[str, Any]:
    before: Mapping[str, Any] = facts.outlook.previous.get(key) or {}
    now = facts.snapshot.now
    labels = selector(facts.stack.name, component)
    return {
        "selector": ",".join(f"{name}={value}" for name, value in sorted(labels.items())),
        "current": scaling.current,
        **_decision(scaling, before),
        **_last_scale(scaling, before, now),
        **_figure(before, figure, unit, now),
    }


def _decision(scaling: Scaling, before: Mapping[str, Any]) -> dict[str, Any]:
    """Return the decision; one that is the same but for its numbers keeps the words it was first told in."""
    found = scaling.recommendation
    if found is None:
        return {"desired": scaling.current}
    told = {
        "desired": found.desired,
        **({"limitedBy": found.limited_by} if found.limited_by else {}),
        "reason": found.reason.word,
    }
    watched = ("desired", "limitedBy", "reason")
    same = before.get("current") == scaling.current and all(told.get(name) == before.get(name) for name in watched)
    return {**told, "message": before.get("message", "") if same else found.reason.message}


def _last_scale(scaling: Scaling, before: Mapping[str, Any], now: float) -> dict[str, str]:
    if scaling.last_scale_at is not None:
        return {"lastScaleTime": stamp(scaling.last_scale_at)}
    if "reason" in before and before.get("current") != scaling.current:
        return {"lastScaleTime": stamp(now)}
    return {"lastScaleTime": before["lastScaleTime"]} if "lastScaleTime" in before else {}


def _figure(before: Mapping[str, Any], figure: float | None, unit: str, now: float) -> dict[str, str]:
    old_text, old_at = before.get("signal"), seconds(before.get("signalTime"))
    kept = {name: before[name] for name in ("signal", "signalTime") if name in before}
    if figure is None:
        return kept
    value, old = two_digits(figure), _number(old_text)
    return {"signal": f"{value}{unit}", "signalTime": stamp(now)} if renewed(old, old_at, value, now) else kept


def _number(text: str | None) -> float | None:
    return float(text.rstrip("%")) if text else None
