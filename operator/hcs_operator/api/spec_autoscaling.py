"""The part of the spec that decides the numbers of workers and read replicas."""

from typing import Literal

from pydantic import ConfigDict, Field

from hcs_operator.api.durations import FromFiveSeconds, FromSecond
from hcs_operator.api.model import Model, rules

_ORDERED = rules(("self.minReplicas <= self.maxReplicas", "minReplicas must not be above maxReplicas: lower it"))


class WorkerObjective(Model):
    """What users are promised."""

    max_wait: FromSecond = "30s"
    """How long an accepted task may wait."""


class WorkerHints(Model):
    """What the operator cannot know before it has measured it."""

    rate_per_replica: float | None = Field(None, ge=0.001, le=1_000_000)
    """Tasks a second that one worker does; unset: measured."""


class WorkerScaling(Model):
    """Workers follow the queue."""

    model_config = ConfigDict(json_schema_extra=_ORDERED)

    min_replicas: int = Field(0, ge=0, le=200)
    """Never fewer."""
    max_replicas: int = Field(10, ge=1, le=200)
    """Never more."""
    slo: WorkerObjective = WorkerObjective()
    """What users are promised."""
    hints: WorkerHints = WorkerHints()
    """What the operator cannot know before it has measured it."""
    idle_timeout: FromFiveSeconds = "60s"
    """Workers go to 0 once nothing was queued for so long, if minReplicas allows it."""


class ReaderHints(Model):
    """What a reader can do."""

    reads_per_replica: float = Field(2000, ge=0.001, le=1_000_000)
    """Reads a second that miss the cache and one reader serves."""


class ReaderScaleOut(Model):
    """When a reader is added."""

    sustain: FromFiveSeconds = "2m"
    """The need must last so long."""


class ReaderScaleIn(Model):
    """When a reader goes."""

    sustain: FromFiveSeconds = "30m"
    """One reader fewer must have been enough for so long."""
    interval: FromFiveSeconds = "10m"
    """Between two that go."""
    after_scale_out: FromFiveSeconds = "60m"
    """After the last one was added."""
    drain_timeout: FromFiveSeconds = "300s"
    """How long its reads may take to end."""


class ReaderScaling(Model):
    """Read replicas follow the reads that miss the cache."""

    model_config = ConfigDict(json_schema_extra=_ORDERED)

    min_replicas: int = Field(1, ge=1, le=20)
    """Never fewer; none at all only with mode Off."""
    max_replicas: int = Field(5, ge=1, le=20)
    """Never more."""
    hints: ReaderHints = ReaderHints()
    """What a reader can do."""
    lag_brake: FromSecond = "10s"
    """While a reader lags more than this, none is added and none goes."""
    scale_out: ReaderScaleOut = ReaderScaleOut()
    """When a reader is added."""
    scale_in: ReaderScaleIn = ReaderScaleIn()
    """When a reader goes."""


class Autoscaling(Model):
    """Who decides the numbers of workers and read replicas."""

    mode: Literal["Off", "Recommend", "Auto"] = "Auto"
    """Off: spec.workers.replicas and spec.readReplicas.replicas. Recommend: status says what Auto would do."""
    workers: WorkerScaling = WorkerScaling()
    """Workers follow the queue."""
    read_replicas: ReaderScaling = ReaderScaling()
    """Read replicas follow the reads that miss the cache."""
