"""A Redis that keeps nothing on disk: the cache, and what counts limits of scope global."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from hcs_operator.api.labels import selector
from hcs_operator.api.spec import Stack
from hcs_operator.api.spec_tiers import PodTemplate, Resources
from hcs_operator.build.context import Context, Document, fingerprint
from hcs_operator.build.metadata import config_map, metadata
from hcs_operator.build.pods import ENGINE_USER, Pod, Sizes, empty_dir, pod_template, security

CONFIG = "/etc/hcs/redis"


@dataclass(frozen=True)
class Redis:
    """What differs between them. `secret` has the key `password`, and is mounted at `/etc/hcs/<component>`."""

    component: str
    secret: str
    configuration: str
    command: Sequence[str]
    bytes: int
    """For entries, as `maxmemory` has it."""
    resources: Resources = field(default_factory=Resources)
    templates: Sequence[PodTemplate] = ()


def redis(stack: Stack, context: Context, server: Redis) -> list[Document]:
    """ConfigMap and StatefulSet; Redis reads its password at the start, so a new one restarts it."""
    name = stack.names.of(server.component)
    annotations = {
        "highconcurrency.dev/configuration": fingerprint(server.configuration),
        "highconcurrency.dev/credentials": context.secret_hashes.get(server.secret, ""),
    }
    volumes = [
        {"name": "configuration", "configMap": {"name": name}},
        {"name": "secret", "secret": {"secretName": server.secret}},
        empty_dir("data", "64Mi"),
    ]
    container = _container(context, server)
    pod = Pod(server.component, [container], volumes, grace_seconds=10, annotations=annotations)
    return [
        config_map(stack, name, server.component, {"redis.conf": server.configuration}),
        {
            "apiVersion": "apps/v1",
            "kind": "StatefulSet",
            "metadata": metadata(stack, name, server.component),
            "spec": {
                "serviceName": name,
                "replicas": 1,
                "revisionHistoryLimit": 3,
                "podManagementPolicy": "Parallel",
                "selector": {"matchLabels": selector(stack.name, server.component)},
                "template": pod_template(stack, pod, *server.templates),
            },
        },
    ]


def _container(context: Context, server: Redis) -> Document:
    secrets = f"/etc/hcs/{server.component}"
    ping = f'REDISCLI_AUTH="$(cat {secrets}/password)" redis-cli ping | grep -q PONG'
    probe = {"exec": {"command": ["sh", "-c", ping]}, "timeoutSeconds": 5}
    return {
        "name": "redis",
        "image": context.images["redis"],
        "command": list(server.command),
        "ports": [{"name": "redis", "containerPort": 6379, "protocol": "TCP"}],
        "startupProbe": {**probe, "periodSeconds": 1, "failureThreshold": 60},
        "livenessProbe": {**probe, "periodSeconds": 20, "failureThreshold": 3},
        "readinessProbe": {"tcpSocket": {"port": 6379}, "periodSeconds": 2, "failureThreshold": 2},
        "resources": _sizes(server.bytes).with_spec(server.resources),
        "securityContext": security(ENGINE_USER),
        "volumeMounts": [
            {"name": "configuration", "mountPath": CONFIG, "readOnly": True},
            {"name": "secret", "mountPath": secrets, "readOnly": True},
            {"name": "data", "mountPath": "/data"},
        ],
    }


def _sizes(size: int) -> Sizes:
    """Half as much again as the entries, for fragmentation and buffers."""
    entries = max(1, size // 2**20)
    return Sizes(cpu="30m", memory=f"{entries + 32}Mi", cpu_limit="1", memory_limit=f"{entries * 3 // 2 + 64}Mi")
