"""The cache: one Redis that keeps nothing on disk and forgets the least used."""

from hcs_operator.api.names import CACHE
from hcs_operator.api.quantities import in_bytes
from hcs_operator.api.spec import Stack
from hcs_operator.build.context import Context, Document
from hcs_operator.build.redis import CONFIG, Redis, redis

_SECRET = "/etc/hcs/cache"  # noqa: S105 - a directory


def cache(stack: Stack, context: Context) -> list[Document]:
    """ConfigMap and StatefulSet."""
    spec = stack.spec.cache
    server = Redis(
        component=CACHE,
        secret=stack.names.cache_secret,
        configuration=configuration(stack),
        command=["redis-server", f"{CONFIG}/redis.conf"],
        bytes=in_bytes(spec.max_memory),
        resources=spec.resources,
        templates=[spec.template],
    )
    return redis(stack, context, server)


def configuration(stack: Stack) -> str:
    """redis.conf; the password stands in a file of its own."""
    spec = stack.spec.cache
    return "\n".join(
        [
            "port 6379",
            "bind * -::*",
            "protected-mode yes",
            'save ""',
            "appendonly no",
            "dir /data",
            f"maxmemory {in_bytes(spec.max_memory)}",
            f"maxmemory-policy {spec.eviction_policy}",
            "lazyfree-lazy-eviction yes",
            "tcp-keepalive 60",
            f"include {_SECRET}/redis-auth.conf",
            "",
        ]
    )
