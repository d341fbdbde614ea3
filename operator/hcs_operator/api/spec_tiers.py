"""The parts of the spec that the service tiers are made of."""

from ipaddress import ip_network
from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field, field_validator

from hcs_operator.api.durations import Duration, FromMillisecond, FromSecond
from hcs_operator.api.model import Model, Name, OpenObject, Text, map_by, rules
from hcs_operator.api.quantities import amount
from hcs_operator.api.routes import Route, contradiction

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
    image_pull_secrets: Annotated[tuple[SecretReference, ...], Field(max_length=8)] = ()
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


class GatewayService(Model):
    """How the gateway is reached."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "!has(self.nodePort) || self.type != 'ClusterIP'",
                "nodePort needs type NodePort or LoadBalancer: set the type, or remove nodePort",
            ),
            (
                "self.externalTrafficPolicy == 'Cluster' || self.type != 'ClusterIP'",
                "externalTrafficPolicy Local needs type NodePort or LoadBalancer: set the type, or remove it",
            ),
        )
    )

    type: Literal["ClusterIP", "NodePort", "LoadBalancer"] = "ClusterIP"
    """Type of the Service."""
    node_port: int | None = Field(None, ge=1, le=65535)
    """Port on every node; unset: chosen by the cluster."""
    external_traffic_policy: Literal["Cluster", "Local"] = "Cluster"
    """Local keeps clients' addresses and answers only on nodes with a gateway; for NodePort and LoadBalancer."""
    annotations: StringMap = {}
    """Annotations of the Service."""


def _network(text: str) -> str:
    ip_network(text, strict=False)
    return text


Network = Annotated[
    str,
    Field(
        max_length=64,
        json_schema_extra=rules(
            ("isCIDR(self) || isIP(self)", "must be an address or a CIDR: write 10.0.0.1 or 10.0.0.0/8")
        ),
    ),
    AfterValidator(_network),
]


class RateLimit(Model):
    """A token bucket for each client, shared out evenly among the gateways."""

    enabled: bool = True
    """Whether requests are limited at all."""
    capacity: int = Field(1000, ge=1, le=1_000_000)
    """Requests that a client may send at once."""
    refill_per_second: float = Field(100, gt=0, le=1_000_000)
    """Requests a second that a client may go on with."""
    key: Annotated[str, Field(pattern=r"^(ip|header:[A-Za-z0-9-]{1,64})$", max_length=80)] = "ip"
    """What tells clients apart: ip, or header:<Name>."""
    trusted_proxies: Annotated[tuple[Network, ...], Field(max_length=64)] = ()
    """Addresses or CIDRs whose X-Forwarded-For is believed. Others' is ignored."""


class CircuitBreaker(Model):
    """When a route of a failing upstream is answered with 503 at once."""

    window: FromSecond = "10s"
    """Over which requests are judged."""
    min_requests: int = Field(20, ge=1, le=100_000)
    """Fewer requests in the window than these are not judged."""
    failure_ratio: float = Field(0.5, gt=0, le=1)
    """Share of failures that opens the breaker."""
    slow_call: FromMillisecond = "1s"
    """A request that takes longer is slow."""
    slow_ratio: float = Field(0.8, gt=0, le=1)
    """Share of slow requests that opens the breaker."""
    open_for: FromMillisecond = "5s"
    """Until the first probes."""
    half_open_probes: int = Field(5, ge=1, le=100)
    """Probes that must succeed before the breaker closes."""


class Gateway(Replicated):
    """The door: routes, rate limit, circuit breaker."""

    service: GatewayService = GatewayService()
    """How the gateway is reached."""
    rate_limit: RateLimit = RateLimit()
    """Token bucket for each client."""
    circuit_breaker: CircuitBreaker = CircuitBreaker()
    """When to answer 503 at once."""
    routes: Annotated[tuple[Route, ...], Field(max_length=64)] = ()
    """Empty: the reference application's routes."""

    @field_validator("routes")
    @classmethod
    def _agree(cls, routes: tuple[Route, ...]) -> tuple[Route, ...]:
        problem = contradiction(routes)
        if problem:
            raise ValueError(problem)
        return routes


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
    """Outside parts. Tasks that need one which is not set fail, and end in the dead-letter queue."""

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
    """Tasks a worker holds, those it does included."""
    handlers: Handlers = Handlers()
    """Outside parts that tasks need."""
