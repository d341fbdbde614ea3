"""Routes of the gateway, and what makes a set of them contradict itself."""

import re
from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from hcs_operator.api.model import Model, rules


class Route(Model):
    """One route of the gateway."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "!['/healthz', '/api/v1/openapi'].exists(own, self.path == own || self.path.startsWith(own + '/'))",
                "/healthz and /api/v1/openapi are the gateway's own: choose another path",
            ),
            (
                "!self.path.matches('/[.][.]?(/|$)')",
                "no request matches a segment . or ..: write the path without it",
            ),
        )
    )

    methods: Annotated[tuple[Literal["GET", "POST", "PUT", "PATCH", "DELETE"], ...], Field(min_length=1, max_length=5)]
    """Methods it answers; GET includes HEAD."""
    path: Annotated[str, Field(pattern=r"^(/([A-Za-z0-9_.~-]+|\{[a-z_][a-z0-9_]*\}))+$", max_length=256)]
    """Full path; {name} is exactly one segment."""
    upstream: Literal["write-api", "async-api", "read-api"]
    """The tier that answers."""
    retry: bool = True
    """Whether an idempotent or keyed request may be sent once more, to another endpoint."""
    cost: float = Field(1, ge=0, le=1000)
    """Tokens a request takes; 0 is not limited."""
    limit_scope: Literal["local", "global"] | None = None
    """Scope of this route's requests; unset: rateLimit.scope. Each scope has buckets of its own."""


_SHAPE = "path.findAll('/([{]|[^/]+)')"
"""CEL: a path's segments; every parameter is the same one."""
_OVERLAP = f"one.{_SHAPE} == other.{_SHAPE} && one.methods.exists(method, method in other.methods)"
AGREEING = rules(
    (
        f"self.all(one, self.exists_one(other, {_OVERLAP}))",
        "two routes answer the same method and path, whatever their parameters' names: remove the method from one",
    )
)
"""What `contradiction` refuses, as the API server does."""


def contradiction(routes: Iterable[Route]) -> str | None:
    """Say which method and path is routed twice; paths that differ only in their parameters' names are the same."""
    seen: set[tuple[str, str]] = set()
    for route in routes:
        shape = re.sub(r"\{[^}]*\}", "{}", route.path)
        for method in dict.fromkeys(route.methods):
            if (method, shape) in seen:
                return f"{method} {route.path} is routed twice: remove one of the routes"
            seen.add((method, shape))
    return None
