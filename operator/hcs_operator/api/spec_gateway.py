"""The part of the spec that the gateway is made of: how it is reached, whom it limits, when it stops calling."""

from ipaddress import ip_network
from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field, field_validator

from hcs_operator.api.durations import FromMillisecond, FromSecond
from hcs_operator.api.model import Model, rules
from hcs_operator.api.routes import AGREEING, Route, contradiction
from hcs_operator.api.spec_tiers import Replicated, StringMap


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
    """A token bucket for each client of the stack."""

    enabled: bool = True
    """Whether requests are limited at all."""
    scope: Literal["local", "global"] = "local"
    """local: each gateway grants its share, the quota divided by gateway.replicas. global: all take from one bucket, in
    a Redis of its own (<stack>-limits), and grant the quota exactly; while it is away each grants its share."""
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
    """Until the first probes. Writes with an Idempotency-Key wait meanwhile, and a few of them probe sooner."""
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
    routes: Annotated[tuple[Route, ...], Field(max_length=64, json_schema_extra=AGREEING)] = ()
    """Empty: the reference application's routes."""

    @property
    def counts_globally(self) -> bool:
        """Whether any request takes from the bucket that all gateways share."""
        scopes = {route.limit_scope or self.rate_limit.scope for route in self.routes if route.cost > 0}
        return self.rate_limit.enabled and "global" in (scopes if self.routes else {self.rate_limit.scope})

    @field_validator("routes")
    @classmethod
    def _agree(cls, routes: tuple[Route, ...]) -> tuple[Route, ...]:
        problem = contradiction(routes)
        if problem:
            raise ValueError(problem)
        return routes
