"""Every name that the operator gives to an object of a stack. No other module makes one."""

from dataclasses import dataclass
from functools import cached_property

GATEWAY, WRITE_API, ASYNC_API, READ_API, WORKER = "gateway", "write-api", "async-api", "read-api", "worker"
DB, REPLICA, CACHE, QUEUE, MIGRATE = "db", "replica", "cache", "queue", "migrate"
LIMITS = "limits"
"""Only in a stack that counts a limit for all gateways together."""
SERVICE_COMPONENTS = (GATEWAY, WRITE_API, ASYNC_API, READ_API, WORKER)
COMPONENTS = (*SERVICE_COMPONENTS, DB, REPLICA, CACHE, QUEUE)
"""Those that every stack has, in the order in which they are told of; values of app.kubernetes.io/component."""
STATEFUL = frozenset({DB, REPLICA, CACHE, QUEUE, LIMITS})
"""Those whose pods have names and volumes of their own."""

LONGEST_STACK_NAME = 40
"""So that `<stack>-replica-0-<ten characters of hash>` still fits the 63 characters of a label."""


@dataclass(frozen=True)
class Names:
    """The names of one stack's objects."""

    stack: str

    def of(self, component: str) -> str:
        """The workload, and the Service if it has one, of a component."""
        shard = "-0" if component in {DB, REPLICA} else ""
        return f"{self.stack}-{component}{shard}"

    @cached_property
    def primary(self) -> str:
        """Service on the member that takes writes, for people and simple clients."""
        return f"{self.stack}-primary"

    @cached_property
    def read(self) -> str:
        """Service on the readers fresh enough to be read, for people and simple clients."""
        return f"{self.stack}-read"

    @cached_property
    def database_secret(self) -> str:
        """Passwords of the database accounts."""
        return f"{self.stack}-database"

    @cached_property
    def cache_secret(self) -> str:
        """The cache's password."""
        return f"{self.stack}-cache"

    @cached_property
    def limits_secret(self) -> str:
        """The password of the Redis that counts limits."""
        return f"{self.stack}-limits"

    @cached_property
    def queue_secret(self) -> str:
        """The queue's password, cookie and definitions."""
        return f"{self.stack}-queue"

    @cached_property
    def tokens_secret(self) -> str:
        """Keys that sign consistency tokens and task ids, and the token that admits a drain."""
        return f"{self.stack}-tokens"

    @cached_property
    def authority(self) -> str:
        """Secret with the stack's certificate authority, and the ConfigMap with its certificate alone."""
        return f"{self.stack}-ca"

    @cached_property
    def database_tls(self) -> str:
        """Secret with the database's server certificate."""
        return f"{self.stack}-db-tls"

    def migration(self, fingerprint: str) -> str:
        """The Job that brings the schema to what an image needs."""
        return f"{self.stack}-migrate-{fingerprint}"

    def errant(self, instance: str, fingerprint: str) -> str:
        """The ConfigMap that keeps transactions which one instance had of its own, by a hash of what they do."""
        return f"{self.stack}-errant-{instance}-{fingerprint}"

    @cached_property
    def service_account(self) -> str:
        """The account of all the stack's pods."""
        return f"{self.stack}-pods"

    def host(self, component: str, namespace: str, cluster_domain: str) -> str:
        """The fully qualified name of a component's Service."""
        return f"{self.of(component)}.{namespace}.svc.{cluster_domain}"
