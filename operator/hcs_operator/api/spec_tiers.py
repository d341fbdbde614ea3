"""The parts of the spec that the service tiers are made of."""

from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field

from hcs_operator.api.durations import Duration
from hcs_operator.api.model import Model, Name, OpenObject, Text, map_by, rules
from hcs_operator.api.quantities import amount

StringMap = Annotated[dict[str, str], Field(max_length=32)]
Objects = Annotated[tuple[OpenObject, ...], Field(max_length=16)]


def _amounts(quantities: dict[str, str]) -> dict[str, str]:
    for quantity in quantities.values():
        amount(quantity)
    return quantities


Amounts = Annotated[
    dict[str, Annotated[str, Field(max_length=32)]],
    Field(
        max_length=16,
        json_schema_extra=rules(
            (
                "self.all(key, isQuantity(self[key]) && quantity(self[key]).compareTo(quantity('0')) >= 0)",
                "each value must be a Kubernetes quantity: write cpu: 100m, memory: 256Mi",
            )
        ),
    ),
    AfterValidator(_amounts),
]


class Resources(Model):
    """Requests and limits of a container, as in a pod."""

    requests: Amounts = {}
    """Kubernetes quantities by resource, such as cpu: 100m and memory: 256Mi. Unset keys keep the tier's default."""
    limits: Amounts = {}
    """Kubernetes quantities by resource. Unset keys keep the tier's default."""


class SecretReference(Model):
    """A Secret of yours in the stack's namespace."""

    name: Name
    """The Secret's name."""


class PodTemplate(Model):
    """What pods are given beside what the operator sets. Checked by the API server when the pods are made."""

    labels: StringMap = {}
    """Labels added to the pods."""
    annotations: StringMap = {}
    """Annotations added to the pods."""
    node_selector: StringMap = {}
    """Labels that a node must have."""
    tolerations: Objects = ()
    """Tolerations, as in a pod."""
    affinity: OpenObject = {}
    """Affinity, as in a pod; replaces the operator's own preference for separate nodes."""
    topology_spread: Objects = ()
    """topologySpreadConstraints, as in a pod."""
    priority_class_name: str = Field("", max_length=253)
    """PriorityClass of the pods."""
    image_pull_secrets: Annotated[
        tuple[SecretReference, ...], Field(max_length=8, json_schema_extra=map_by("name"))
    ] = ()
    """Secrets to pull images with."""


class EnvVar(Model):
    """One environment variable; never put a secret here."""

    name: Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
    """Name of the variable."""
    value: str = Field("", max_length=4096)
    """Its value."""


class Tier(Model):
    """What every tier of services takes."""

    resources: Resources = Resources()
    """Requests and limits of the tier's container."""
    template: PodTemplate = PodTemplate()
    """Laid over spec.template for this tier alone."""
    image: Text | None = None
    """Image of this tier alone; it must keep the contract in docs/app-contract.md. Unset: spec.images.services."""
    extra_env: Annotated[tuple[EnvVar, ...], Field(max_length=32, json_schema_extra=map_by("name"))] = ()
    """Variables added to the tier's container."""


class Replicated(Tier):
    """A tier with a fixed number of pods."""

    replicas: int = Field(2, ge=1, le=50)
    """Pods of this tier."""


class Consistency(Model):
    """How a read with a consistency token is served."""

    max_wait: Duration = "50ms"
    """How long a replica may take to catch up before the primary is asked."""


class ReadApi(Replicated):
    """Cache, then read replicas, then the primary."""

    consistency: Consistency = Consistency()
    """How a read with a consistency token is served."""


class EmailHandler(Model):
    """The SMTP server that mails are handed to."""

    url: Annotated[str, Field(min_length=1, max_length=512, pattern=r"^smtps?://[^\s@]+$")]
    """smtp://host:port, or smtps:// for TLS; credentials belong in secretRef."""
    secret_ref: SecretReference | None = None
    """Secret with keys username and password."""


class PaymentHandler(Model):
    """The payment provider that charges and refunds."""

    url: Annotated[str, Field(min_length=1, max_length=512, pattern=r"^https?://[^\s@]+$")]
    """Base URL of its API; credentials belong in secretRef."""
    secret_ref: SecretReference | None = None
    """Secret with the key token."""


class Handlers(Model):
    """Outside parts. Tasks that need one which is not set end at once as dead, with the reason not-configured."""

    email: EmailHandler | None = None
    """SMTP server for notifications."""
    payment: PaymentHandler | None = None
    """Payment provider."""


class Workers(Tier):
    """Workers take tasks from the queue; their number is decided by spec.autoscaling.workers."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            ("self.prefetch >= self.concurrency", "prefetch must be at least concurrency: raise prefetch"),
        )
    )

    replicas: int = Field(1, ge=0, le=200)
    """Pods of this tier; used only with autoscaling.mode Off."""
    concurrency: int = Field(4, ge=1, le=256)
    """Tasks a worker does at the same time."""
    prefetch: int = Field(8, ge=1, le=1024)
    """Tasks a worker holds of each of the three queues at the most, those it does included: up to three times as many
    in all. Of a queue whose tasks take long it holds fewer, so that other workers get them.
    """
    handlers: Handlers = Handlers()
    """Outside parts that tasks need."""
