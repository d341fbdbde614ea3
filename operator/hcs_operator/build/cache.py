"""The cache: one Redis that keeps nothing on disk and forgets the least used."""

from hcs_operator.api.labels import selector
from hcs_operator.api.names import CACHE
from hcs_operator.api.quantities import in_bytes
from hcs_operator.api.spec import Stack
from hcs_operator.build.context import Context, Document, fingerprint
from hcs_operator.build.metadata import config_map, metadata
from hcs_operator.build.pods import ENGINE_USER, Pod, Sizes, empty_dir, pod_template, security

_CONFIG = "/etc/hcs/redis"
_SECRET = "/etc/hcs/cache"  # noqa: S105 - a directory
_PING = f'REDISCLI_AUTH="$(cat {_SECRET}/password)" redis-cli ping | grep -q PONG'


def cache(stack: Stack, context: Context) -> list[Document]:
    """ConfigMap and StatefulSet; Redis reads its password at the start, so a new one restarts it."""
    name, config = stack.names.of(CACHE), configuration(stack)
    annotations = {
        "highconcurrency.dev/configuration": fingerprint(config),
        "highconcurrency.dev/credentials": context.secret_hashes.get(stack.names.cache_secret, ""),
    }
    volumes = [
        {"name": "configuration", "configMap": {"name": name}},
        {"name": "secret", "secret": {"secretName": stack.names.cache_secret}},
        empty_dir("data", "64Mi"),
    ]
    pod = Pod(CACHE, [_container(stack, context)], volumes, grace_seconds=10, annotations=annotations)
    return [
        config_map(stack, name, CACHE, {"redis.conf": config}),
        {
            "apiVersion": "apps/v1",
            "kind": "StatefulSet",
            "metadata": metadata(stack, name, CACHE),
            "spec": {
                "serviceName": name,
                "replicas": 1,
                "revisionHistoryLimit": 3,
                "podManagementPolicy": "Parallel",
                "selector": {"matchLabels": selector(stack.name, CACHE)},
                "template": pod_template(stack, pod, stack.spec.cache.template),
            },
        },
    ]


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


def _container(stack: Stack, context: Context) -> Document:
    probe = {"exec": {"command": ["sh", "-c", _PING]}, "timeoutSeconds": 5}
    return {
        "name": "redis",
        "image": context.images["redis"],
        "command": ["redis-server", f"{_CONFIG}/redis.conf"],
        "ports": [{"name": "redis", "containerPort": 6379, "protocol": "TCP"}],
        "startupProbe": {**probe, "periodSeconds": 1, "failureThreshold": 60},
        "livenessProbe": {**probe, "periodSeconds": 20, "failureThreshold": 3},
        "readinessProbe": {"tcpSocket": {"port": 6379}, "periodSeconds": 2, "failureThreshold": 2},
        "resources": _sizes(stack).with_spec(stack.spec.cache.resources),
        "securityContext": security(ENGINE_USER),
        "volumeMounts": [
            {"name": "configuration", "mountPath": _CONFIG, "readOnly": True},
            {"name": "secret", "mountPath": _SECRET, "readOnly": True},
            {"name": "data", "mountPath": "/data"},
        ],
    }


def _sizes(stack: Stack) -> Sizes:
    """Half as much again as the entries, for fragmentation and buffers."""
    entries = max(1, in_bytes(stack.spec.cache.max_memory) // 2**20)
    return Sizes(cpu="30m", memory=f"{entries + 32}Mi", cpu_limit="1", memory_limit=f"{entries * 3 // 2 + 64}Mi")
