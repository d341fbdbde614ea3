"""The custom resource's spec: the one source of the CRD's schema, of its defaults and of what the operator reads."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from hcs_operator.api.database import ALLOW_DATA_LOSS, PROMOTE
from hcs_operator.api.model import Model, Text
from hcs_operator.api.names import COMPONENTS, LIMITS, LONGEST_STACK_NAME, Names
from hcs_operator.api.spec_autoscaling import Autoscaling
from hcs_operator.api.spec_engines import Cache, Database, ObjectStore, Queue, ReadReplicas
from hcs_operator.api.spec_gateway import Gateway
from hcs_operator.api.spec_tiers import PodTemplate, ReadApi, Replicated, Workers

LONGEST_NAME = 64
"""Characters of an instance's name that are read from an annotation: one more than any has."""
MOST_NAMES = 7
"""Names that are read from an annotation: as many members as a group can have."""


class Images(Model):
    """Images of the parts; unset ones are those of the operator's release at the stack's first sight, and stay."""

    services: Text | None = None
    """Gateway, APIs and workers."""
    mysql: Text | None = None
    """Members and readers."""
    redis: Text | None = None
    """The cache, and what counts limits of scope global."""
    rabbitmq: Text | None = None
    """The queue."""
    agent: Text | None = None
    """The agent beside each mysqld. A change alone restarts none: it comes with the next restart."""


class NetworkPolicies(Model):
    """Who may talk to whom."""

    enabled: bool = True
    """Admit only the stack's own flows, the operator, and everybody to the gateway. Who else is to reach a pod, a
    scraper of port 9090 say, needs a NetworkPolicy of yours beside these."""


class StackSpec(Model):
    """A read/write-split system: gateway, APIs, workers, database, cache and queue."""

    paused: bool = False
    """Observe and report, change nothing."""
    images: Images = Images()
    """Images of the parts; unset ones are those of the operator's release at the stack's first sight, and stay."""
    gateway: Gateway = Gateway()
    """The door: routes, rate limit, circuit breaker."""
    write_api: Replicated = Replicated()
    """Takes orders and products into the database; orders that come together share a transaction."""
    async_api: Replicated = Replicated()
    """Accepts tasks into the queue."""
    read_api: ReadApi = ReadApi()
    """Answers reads from cache, read replicas, and the primary."""
    workers: Workers = Workers()
    """Do the queue's tasks."""
    database: Database = Database()
    """The MySQL group that takes writes."""
    read_replicas: ReadReplicas = ReadReplicas()
    """Asynchronous readers."""
    cache: Cache = Cache()
    """The Redis that reads are answered from."""
    queue: Queue = Queue()
    """The RabbitMQ that accepted tasks wait in."""
    object_store: ObjectStore = ObjectStore()
    """An S3-compatible store for reports and synced orders."""
    autoscaling: Autoscaling = Autoscaling()
    """Who decides the numbers of workers and read replicas."""
    network_policy: NetworkPolicies = NetworkPolicies()
    """Who may talk to whom."""
    template: PodTemplate = PodTemplate()
    """What the pods of every tier are given."""


@dataclass(frozen=True)
class Stack:
    """One resource, parsed."""

    name: str
    namespace: str
    uid: str
    generation: int
    spec: StackSpec
    status: Mapping[str, Any] = field(default_factory=dict)
    """As it is in the API server."""
    promote: str = ""
    """The annotation highconcurrency.dev/promote, cut to a name's length."""
    allow_data_loss: str = ""
    """The annotation highconcurrency.dev/allow-data-loss, cut to the length of so many names."""

    @property
    def names(self) -> Names:
        """Names of its objects."""
        return Names(self.name)

    @property
    def components(self) -> tuple[str, ...]:
        """What it consists of, in the order in which that is told of."""
        return (*COMPONENTS, LIMITS) if self.spec.gateway.counts_globally else COMPONENTS


@dataclass(frozen=True)
class SpecProblem:
    """Why a resource cannot be carried out, in one sentence that says what to write instead."""

    message: str


def parse_stack(body: Mapping[str, Any]) -> Stack | SpecProblem:
    """Read a resource. Never raises for what a user wrote: the API server may hold what an older schema let pass."""
    metadata = body["metadata"]
    annotations: Mapping[str, str] = metadata.get("annotations") or {}
    name = str(metadata["name"])
    if len(name) > LONGEST_STACK_NAME or not name[0].isalpha() or "." in name:
        return SpecProblem(
            f"The name {name!r} cannot be used: at most {LONGEST_STACK_NAME} characters, a letter first, no dots."
        )
    try:
        spec = StackSpec.model_validate(body.get("spec") or {})
    except ValidationError as error:
        return SpecProblem(_in_words(error))
    return Stack(
        name=name,
        namespace=str(metadata["namespace"]),
        uid=str(metadata["uid"]),
        generation=int(metadata.get("generation", 1)),
        spec=spec,
        status=body.get("status") or {},
        promote=annotations.get(PROMOTE, "").strip()[:LONGEST_NAME],
        allow_data_loss=annotations.get(ALLOW_DATA_LOSS, "").strip()[: MOST_NAMES * LONGEST_NAME],
    )


def _in_words(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = ".".join(["spec", *(str(part) for part in first["loc"])])
    more = f" ({error.error_count() - 1} more after it)" if error.error_count() > 1 else ""
    return f"{place}: {first['msg']}{more}. Correct the field; kubectl explain hcs.{place} documents it."
