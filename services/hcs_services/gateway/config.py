"""The gateway's configuration: one JSON file, written by the operator and read once at start.

Everything a route does is data here, so a stack whose application was replaced needs another file and no other gateway.
Durations are seconds. Unknown fields are refused: a misspelt limit must not silently be no limit.
"""

from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic.alias_generators import to_camel

from hcs_services.gateway.routing import Router, RoutingError

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
Scope = Literal["local", "global"]
OWN_PATHS = ("/healthz", "/api/v1/openapi/")
"""Paths that the gateway answers itself; no route may shadow them."""

Network = Annotated[IPv4Network | IPv6Network, BeforeValidator(lambda text: ip_network(text, strict=False))]


class ConfigError(ValueError):
    """The configuration file is missing or is not a valid configuration; the message says where and why."""


class Block(BaseModel):
    """A part of the file: camelCase keys, immutable, no unknown fields."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, extra="forbid")


class UpstreamConfig(Block):
    """A service behind the gateway: a headless Service, whose address records are its ready pods."""

    host: str = Field(min_length=1, max_length=253)
    port: int = Field(default=8080, ge=1, le=65535)


class RouteConfig(Block):
    """One route: these methods on paths of this shape go to that upstream.

    `path` is matched and forwarded whole; `{name}` stands for exactly one segment. `cost` is the number of tokens that
    a call takes from its client's bucket (0: never limited); `limitScope` is the scope of this route's calls, the
    limit's own where it is absent. `retry: false` forbids a second try.
    """

    methods: tuple[Method, ...] = Field(min_length=1)
    path: str = Field(pattern=r"^/")
    upstream: str
    retry: bool = True
    cost: float = Field(default=1.0, ge=0)
    limit_scope: Scope | None = None


class RateLimitConfig(Block):
    """A token bucket for each client of the whole stack.

    Scope `local`: each process enforces its share of it. `global`: all processes take from one bucket, in Redis.
    """

    enabled: bool = True
    scope: Scope = "local"
    capacity: float = Field(default=1000, ge=1)
    refill_per_second: float = Field(default=100, gt=0)
    key: str = Field(default="ip", pattern=r"^(ip|header:[A-Za-z0-9-]{1,64})$")
    trusted_proxies: tuple[Network, ...] = ()

    @property
    def header(self) -> str | None:
        """The lower-case name of the header that tells clients apart; None when addresses do."""
        return None if self.key == "ip" else self.key.removeprefix("header:").lower()


class CircuitBreakerConfig(Block):
    """When a route stops calling an upstream that fails or crawls, and how it tries again."""

    window: float = Field(default=10.0, gt=0)
    min_requests: int = Field(default=20, ge=1)
    failure_ratio: float = Field(default=0.5, gt=0, le=1)
    slow_call: float = Field(default=1.0, gt=0)
    slow_ratio: float = Field(default=0.8, gt=0, le=1)
    open_for: float = Field(default=5.0, gt=0)
    half_open_probes: int = Field(default=5, ge=1)


class GatewayConfig(Block):
    """The whole file."""

    replicas: int = Field(default=1, ge=1)
    upstreams: dict[str, UpstreamConfig]
    routes: tuple[RouteConfig, ...]
    rate_limit: RateLimitConfig = RateLimitConfig()
    circuit_breaker: CircuitBreakerConfig = CircuitBreakerConfig()

    @field_validator("replicas", mode="before")
    @classmethod
    def _at_least_one(cls, replicas: object) -> object:
        return 1 if replicas == 0 else replicas  # scaled to zero: this process is the one that is about to stop

    @model_validator(mode="after")
    def _routes_are_sound(self) -> Self:
        for route in self.routes:
            if route.upstream not in self.upstreams:
                raise ValueError(f"route {route.path} names the upstream {route.upstream!r}, which is not listed")
            if f"{route.path}/".startswith(tuple(f"{own.rstrip('/')}/" for own in OWN_PATHS)):
                raise ValueError(f"route {route.path} would shadow a path of the gateway's own")
        try:
            self.router()
        except RoutingError as error:
            raise ValueError(str(error)) from error
        return self

    def counts_globally(self, route: RouteConfig) -> bool:
        """Whether calls of this route take from the one bucket of all processes."""
        return self.rate_limit.enabled and route.cost > 0 and (route.limit_scope or self.rate_limit.scope) == "global"

    def router(self) -> Router[RouteConfig]:
        """Return the routes as a matcher."""
        router: Router[RouteConfig] = Router()
        for route in self.routes:
            router.add(route.methods, route.path, route)
        return router


def load(path: Path) -> GatewayConfig:
    """Read the file. Raises ConfigError with one line that names the field."""
    try:
        return GatewayConfig.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the document"
        raise ConfigError(f"{path}: {where}: {first['msg']}") from error
