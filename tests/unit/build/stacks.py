"""Stacks that builders are tried on: the smallest, and one with everything set."""

from typing import Any

from hcs_operator.api.spec import Stack, StackSpec
from hcs_operator.build import Context, desired

IMAGES = {
    "services": "example.org/hcs/services:1.0",
    "mysql": "mysql:9.7",
    "redis": "redis:8",
    "rabbitmq": "rabbitmq:4",
    "agent": "example.org/hcs/operator:1.0",
}
HASHES = {"shop-cache": "aaaa", "shop-queue": "bbbb"}

FULL: dict[str, Any] = {
    "images": {"services": "ignored: the context has resolved it"},
    "gateway": {
        "replicas": 3,
        "image": "example.org/own/gateway@sha256:1",
        "service": {
            "type": "LoadBalancer",
            "nodePort": 30080,
            "externalTrafficPolicy": "Local",
            "annotations": {"example.org/pool": "public"},
        },
        "rateLimit": {
            "scope": "global",
            "capacity": 50,
            "refillPerSecond": 2.5,
            "key": "header:X-Api-Key",
            "trustedProxies": ["10.0.0.0/8"],
        },
        "circuitBreaker": {"window": "30s", "slowCall": "250ms"},
        "routes": [
            {"methods": ["GET"], "path": "/v2/{thing}", "upstream": "read-api", "retry": False, "cost": 0},
            {"methods": ["POST"], "path": "/v2/things", "upstream": "write-api", "cost": 2.5},
            {"methods": ["PATCH"], "path": "/v2/{thing}", "upstream": "write-api", "limitScope": "local"},
        ],
        "template": {"labels": {"tier": "edge"}, "tolerations": [{"key": "edge", "operator": "Exists"}]},
    },
    "writeApi": {"replicas": 4, "resources": {"requests": {"cpu": "200m"}, "limits": {"memory": "1Gi"}}},
    "asyncApi": {"extraEnv": [{"name": "LOG_LEVEL", "value": "debug"}, {"name": "HCS_NAMESPACE", "value": "mine"}]},
    "readApi": {"consistency": {"maxWait": "100ms"}},
    "workers": {
        "concurrency": 16,
        "prefetch": 32,
        "handlers": {
            "email": {"url": "smtps://mail.example.org:465", "secretRef": {"name": "mail"}},
            "payment": {"url": "https://pay.example.org", "secretRef": {"name": "pay"}},
        },
    },
    "database": {
        "members": 3,
        "spread": "Preferred",
        "storage": {"size": "100Gi", "className": "fast", "reclaim": "Delete"},
        "config": {"innodb_io_capacity": "2000"},
        "resources": {"requests": {"cpu": "2", "memory": "4Gi"}, "limits": {"memory": "4Gi"}},
        "maxStalenessDuringOutage": "1m30s",
        "credentialsSecret": {"name": "database-passwords"},
        "template": {"affinity": {"nodeAffinity": {}}, "nodeSelector": {"disk": "nvme"}},
    },
    "readReplicas": {"storage": {"size": "100Gi", "reclaim": "Delete"}, "maxLag": "2s"},
    "cache": {"maxMemory": "1Gi", "evictionPolicy": "allkeys-lru"},
    "queue": {"storage": {"size": "20Gi"}, "consumerTimeout": "1h", "resources": {"limits": {"memory": "2Gi"}}},
    "objectStore": {
        "enabled": True,
        "bucket": "shop",
        "endpoint": "https://s3.example.org",
        "secretRef": {"name": "s3"},
    },
    "autoscaling": {"mode": "Off"},
    "template": {
        "labels": {"team": "shop"},
        "annotations": {"example.org/scrape": "true"},
        "nodeSelector": {"pool": "apps"},
        "priorityClassName": "high",
        "imagePullSecrets": [{"name": "pull"}],
        "topologySpread": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}],
    },
}

QUEUE_OF_THREE: dict[str, Any] = {"queue": {"replicas": 3}}


def stack(spec: dict[str, Any] | None = None, name: str = "shop") -> Stack:
    return Stack(name, "shops", "11111111-2222-3333-4444-555555555555", 7, StackSpec.model_validate(spec or {}))


def context(**counts: int | None) -> Context:
    return Context(images=IMAGES, replicas=counts, secret_hashes=HASHES)


def built(spec: dict[str, Any] | None = None, **counts: int | None) -> dict[str, dict[str, Any]]:
    """Documents by `Kind/name`."""
    found = [item.document for item in desired(stack(spec), context(**counts))]
    return {f"{it['kind']}/{it['metadata']['name']}": it for it in found}
