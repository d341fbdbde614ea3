"""What a builder needs beside the spec, and what it gives."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

Document = dict[str, Any]


class Tier(IntEnum):
    """The order of a start: a tier is made once what it needs is ready (`decide.startup`)."""

    FOUNDATION = 0
    ENGINES = 1
    SCHEMA = 2
    READERS = 3
    SERVICES = 4
    GATEWAY = 5


@dataclass(frozen=True)
class Desired:
    """One object that a stack wants."""

    tier: Tier
    document: Document


@dataclass(frozen=True)
class Context:
    """What is not in the spec."""

    images: Mapping[str, str]
    """Resolved: services, mysql, redis, rabbitmq, agent."""
    cluster_domain: str = "cluster.local"
    operator_namespace: str = "hcs-system"
    """Where the operator runs: the only other namespace whose pods reach more than the gateway."""
    replicas: Mapping[str, int | None] = field(default_factory=dict)
    """By component: the count to write; None leaves it to `/scale`. Absent: the spec's own, which workers and readers
    have none of."""
    secret_hashes: Mapping[str, str] = field(default_factory=dict)
    """By Secret: a hash of its contents, for engines that read it only at their start."""

    queue_formed: bool = False
    """Whether the brokers of the queue have formed a cluster: one without data is then not one of a first start."""

    def count(self, component: str, wanted: int) -> int | None:
        """Return a tier's own count; None where somebody else's scaler decides it."""
        return self.replicas.get(component, wanted)


def fingerprint(*parts: Any) -> str:
    """Eight hex digits that change when a part does."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:8]
