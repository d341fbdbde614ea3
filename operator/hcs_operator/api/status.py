"""The custom resource's status: what `kubectl describe hcs` shows. Nothing in it changes at rest."""

from typing import Annotated

from pydantic import Field

from hcs_operator.api.model import Model, map_by


class ConditionStatus(Model):
    """One condition, as in every Kubernetes API."""

    type: str
    """What is judged."""
    status: str
    """True, False or Unknown."""
    reason: str
    """One CamelCase word."""
    message: str
    """One sentence that says what to do."""
    last_transition_time: str
    """When status last changed."""
    observed_generation: int
    """Generation of the spec that was judged."""


class ComponentStatus(Model):
    """One component of the stack."""

    name: str
    """The component."""
    ready: str
    """Ready pods of wanted ones."""
    state: str
    """How it is, in words."""


class InstanceStatus(Model):
    """One mysqld."""

    name: str
    """Its pod."""
    role: str
    """member or reader."""
    state: str
    """Its state in the group, or of its replication."""
    read_eligible: bool
    """Whether it takes reads."""
    lagging: bool
    """A reader: it is further behind than maxLag. A member: the group slows writes, as too much waits to be applied."""
    reason: str
    """Why, in words."""
    export: str
    """ConfigMap that keeps transactions which only it has or had; absent once it is a copy of the group again."""


class ClaimStatus(Model):
    """Who bears the group and who belongs to it; written before any SQL, under resourceVersion."""

    seed: str
    """The pod that founded it, or took it up again after an outage of all members."""
    epoch: int
    """Rises each time it is taken up again."""
    group_name: str
    """UUID of the group."""
    members: tuple[str, ...]
    """Pods that may hold an acknowledged write."""
    former: tuple[str, ...]
    """UUIDs of groups that this one was taken up from without some of their members."""


class HandOverStatus(Model):
    """A hand-over that was asked of the primary, until somebody leads again."""

    to: str
    """Pod that is to lead."""
    why: str
    """For what, in words."""


class PromotionStatus(Model):
    """What became of the annotation highconcurrency.dev/promote; each value is one wish."""

    instance: str
    """The value."""
    state: str
    """Waiting, Done or Refused; after the last two the value asks for nothing more."""
    reason: str
    """Why, in words."""
    since: str
    """When it was first seen."""


CLAIMED = frozenset({"claim", "dataLoss"})
"""Fields of `status.database` that are written with the claim, by a field manager of its own."""


class HistoryStatus(Model):
    """What one instance held."""

    name: str
    """Its pod."""
    gtid_set: str
    """The transactions that it had executed or received."""


class DataLossStatus(Model):
    """The last time that members were given up for good; written with the claim."""

    members: tuple[str, ...]
    """Who was given up."""
    at: str
    """When."""
    requested_at: str
    """When the request for it was first seen."""
    group_name: str
    """UUID of the group that ended with it."""
    taken_up_from: str
    """Pod whose rows the present group began with."""
    history: Annotated[tuple[HistoryStatus, ...], Field(json_schema_extra=map_by("name"))]
    """What each of the remaining members held: what is in none of these sets was lost."""


class DataLossRequestStatus(Model):
    """What became of the annotation highconcurrency.dev/allow-data-loss; each value is one wish."""

    members: str
    """The value."""
    state: str
    """Waiting, Allowed or Refused; after the last two the value asks for nothing more."""
    reason: str
    """Why, in words."""
    since: str
    """When it was first seen."""


class DatabaseStatus(Model):
    """The database."""

    group_name: str
    """UUID of the MySQL group."""
    bootstrapped: bool
    """Whether the group was founded; never again then."""
    current_primary: str
    """Pod that takes writes; absent while none does."""
    last_primary: str
    """Pod that took writes last; told while none does."""
    no_primary_since: str
    """Since when none takes writes; told while none does."""
    hand_over: HandOverStatus
    """The hand-over under way."""
    promotion: PromotionStatus
    """The hand-over that was asked for by annotation."""
    data_loss_request: DataLossRequestStatus
    """The giving up of members that was asked for by annotation."""
    data_loss: DataLossStatus
    """What was given up last, and what was left."""
    led_group: str
    """UUID of the group that somebody led last; told once members were given up."""
    safe_to_lose_primary: bool
    """Whether losing the primary loses nothing acknowledged."""
    safe_to_lose_primary_reason: str
    """Why, in words."""
    claim: ClaimStatus
    """Who may found the group."""
    instances: Annotated[tuple[InstanceStatus, ...], Field(json_schema_extra=map_by("name"))]
    """Every mysqld."""


class ScalingStatus(Model):
    """A number that follows the load."""

    selector: str
    """Label selector of the pods."""
    current: int
    """Pods asked for now."""
    desired: int
    """Pods that the autoscaler wants."""
    limited_by: str
    """What keeps it from wanting more, fewer, or from having them."""
    reason: str
    """One CamelCase word."""
    message: str
    """The decision with its numbers."""
    last_scale_time: str
    """When the number was last changed."""
    signal: str
    """Queue length of workers, hit rate of readers; rounded to two digits."""
    signal_time: str
    """When signal was last written."""


class JournalStatus(Model):
    """An operation of several steps, so that a restarted operator goes on with it."""

    operation: str
    """What is done."""
    instance: str
    """To which pod."""
    step: str
    """How far it has come."""
    started_at: str
    """When it began."""


class EndpointsStatus(Model):
    """Where the stack is reached inside the cluster."""

    gateway: str
    """URL of the gateway."""
    primary: str
    """host:port of the member that takes writes, for people and simple clients; pods outside the stack need a
    NetworkPolicy of yours to reach it."""
    read: str
    """host:port of the readers, for people and simple clients; pods outside the stack need a NetworkPolicy of yours
    to reach it."""


class ImagesStatus(Model):
    """Images of the operator's release that first saw the stack: used wherever spec.images names no other."""

    services: str
    """Gateway, APIs and workers."""
    mysql: str
    """Members and readers."""
    redis: str
    """The cache."""
    rabbitmq: str
    """The queue."""
    agent: str
    """Beside each mysqld."""


Size = Annotated[str, Field(max_length=32)]


class VolumesStatus(Model):
    """Sizes of volumes as far as they are carried out. The spec may not go below them: volumes only grow."""

    database: Size
    """Of the members."""
    read_replicas: Size
    """Of the readers."""
    queue: Size
    """Of the queue's nodes."""


class StackStatus(Model):
    """How the stack is."""

    observed_generation: int
    """Generation of the spec that this status is about."""
    phase: str
    """One word for people."""
    message: str
    """One sentence for people."""
    conditions: Annotated[tuple[ConditionStatus, ...], Field(json_schema_extra=map_by("type"))]
    """What holds, and what does not."""
    components: Annotated[tuple[ComponentStatus, ...], Field(json_schema_extra=map_by("name"))]
    """Every component."""
    endpoints: EndpointsStatus
    """Where the stack is reached inside the cluster."""
    images: ImagesStatus
    """Images of the release that first saw the stack, used wherever spec.images names no other."""
    database: DatabaseStatus
    """The database."""
    volumes: VolumesStatus
    """Sizes of volumes as far as they are carried out; the spec may not go below them."""
    workers: ScalingStatus
    """Workers follow the queue."""
    read_replicas: ScalingStatus
    """Read replicas follow the reads that miss the cache."""
    journal: JournalStatus
    """An operation of several steps under way."""
