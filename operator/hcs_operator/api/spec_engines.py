"""The parts of the spec that the stateful engines are made of."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from hcs_operator.api.durations import Duration, FromMinute, FromSecond
from hcs_operator.api.model import Model, Text, rules
from hcs_operator.api.quantities import CacheSize, VolumeSize
from hcs_operator.api.spec_tiers import PodTemplate, Resources, SecretReference

RESERVED_CONFIG = (
    # what is on disk when a commit is acknowledged, and what comes back after a crash
    *("binlog_do_db", "binlog_error_action", "binlog_expire_logs_auto_purge", "binlog_expire_logs_seconds"),
    *("binlog_format", "binlog_ignore_db", "innodb_data_file_path", "innodb_data_home_dir", "innodb_doublewrite"),
    *("innodb_doublewrite_dir", "innodb_flush_log_at_trx_commit", "innodb_flush_method", "innodb_force_recovery"),
    *("innodb_log_group_home_dir", "innodb_read_only", "innodb_undo_directory", "log_bin", "log_bin_index"),
    *("sync_binlog", "tc_heuristic_recover", "datadir", "initialize", "initialize_insecure"),
    # who has which transactions
    *("enforce_gtid_consistency", "gtid_mode", "log_replica_updates", "log_slave_updates", "read_only", "relay_log"),
    *("relay_log_index", "relay_log_purge", "relay_log_recovery", "replica_net_timeout"),
    *("replica_preserve_commit_order", "replica_skip_errors", "report_host", "report_port", "server_id"),
    *("super_read_only", "sync_relay_log"),
    # how mysqld is reached, and what operator and agent rely on there
    *("authentication_policy", "auto_generate_certs", "basedir", "bind_address", "chroot", "daemonize"),
    *("early_plugin_load", "init_connect", "init_file", "init_replica", "init_slave", "local_infile", "mysqlx"),
    *("offline_mode", "performance_schema", "pid_file", "plugin_dir", "plugin_load", "plugin_load_add", "port"),
    *("require_secure_transport", "secure_file_priv", "socket", "tmpdir", "user"),
)
"""my.cnf keys that durability, replication or the operator's own access rest on; mysqld takes abbreviations of them,
too."""
RESERVED_PREFIXES = (
    *("admin_", "clone_ssl", "group_replication", "replicate_", "slave_", "ssl", "tls"),
    # before any name: `skip_log_bin`, `disable_log_bin`, `loose_port`
    # (https://dev.mysql.com/doc/refman/8.4/en/option-modifiers.html)
    *("disable_", "enable_", "loose", "maximum_", "skip_"),
)
"""Beginnings of further such keys."""


def _same(field: str) -> str:
    """The rule that an optional field keeps its value, or its absence."""
    return f"has(self.{field}) == has(oldSelf.{field}) && (!has(self.{field}) || self.{field} == oldSelf.{field})"


_FIXED_STORAGE = rules((_same("className"), "className cannot change: keep it, or move to a new stack"))


class Storage(Model):
    """Volumes of an engine's pods."""

    model_config = ConfigDict(json_schema_extra=_FIXED_STORAGE)

    size: VolumeSize = "10Gi"
    """Size of each pod's volume. It may grow, where the StorageClass allows expansion; no pod is restarted for it."""
    class_name: Text | None = None
    """StorageClass; unset: the cluster's default."""
    reclaim: Literal["Retain", "Delete"] = "Retain"
    """What becomes of the volumes when the stack is deleted. Retained ones are found again by a stack of that name."""


class Database(Model):
    """The MySQL group that takes writes."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            ("self.members in [1, 3]", "members must be 1 or 3: a group of two stands still when it loses one"),
            (
                _same("credentialsSecret"),
                "credentialsSecret cannot change: change the Secret's contents instead",
            ),
        )
    )

    members: int = Field(1, ge=1, le=3)
    """Members of the group, 1 or 3; it may change at any time. A group of one is not highly available, and the stack
    says so."""
    spread: Literal["Required", "Preferred"] = "Required"
    """Required: each member on a node of its own. Preferred: two may share one, and its loss may cost the majority."""
    errant: Literal["Rebuild", "Quarantine"] = "Rebuild"
    """What becomes of a member or reader that holds transactions which the group lacks. Rebuild: they are exported to a
    ConfigMap, then it is cloned anew. Quarantine: it is kept out and named, and nothing in it is changed."""
    storage: Storage = Storage()
    """Volumes of the members."""
    config: Annotated[
        dict[str, Annotated[str, Field(max_length=256)]],
        Field(
            max_length=64,
            json_schema_extra=rules(
                (
                    "self.all(key, key.matches('^[a-z][a-z0-9_]{0,63}$'))",
                    "write my.cnf keys in lower case with underscores",
                ),
                (
                    (
                        f"self.all(key, !{list(RESERVED_CONFIG)}.exists(name, name.startsWith(key)) && "
                        f"!key.matches('^({'|'.join(RESERVED_PREFIXES)})'))"
                    ),
                    "config may not set what durability, replication or access rest on: remove that key",
                ),
                ("self.all(key, !self[key].contains('\\n'))", "a my.cnf value is one line"),
            ),
        ),
    ] = {}
    """my.cnf keys for members and readers. A change restarts them one by one, unless it touches only numbers and
    switches that MySQL takes while it runs (docs/concepts.md names them): those are set at once, and restart nobody."""
    resources: Resources = Resources()
    """Requests and limits of mysqld."""
    max_staleness_during_outage: Duration = "60s"
    """While no primary is writable, readers that were within maxLag go on serving until what they have is this old; 0s:
    not at all."""
    template: PodTemplate = PodTemplate()
    """Laid over spec.template for the members alone."""
    credentials_secret: SecretReference | None = None
    """A Secret of yours with the keys admin-password, repl-password, app-password, read-password and
    migrate-password, each at most 32 characters."""


class ReadReplicas(Model):
    """Asynchronous readers; their number is decided by spec.autoscaling.readReplicas."""

    replicas: int = Field(1, ge=0, le=20)
    """Readers; used only with autoscaling.mode Off."""
    storage: Storage = Storage()
    """Volumes of the readers."""
    resources: Resources = Resources()
    """Requests and limits of mysqld."""
    template: PodTemplate = PodTemplate()
    """Laid over spec.template for the readers alone."""
    max_lag: FromSecond = "5s"
    """A reader further behind than this takes no reads."""


class Cache(Model):
    """The Redis that reads are answered from. It holds nothing that is not in the database."""

    max_memory: CacheSize = "256Mi"
    """Memory for entries; the container's limit is made from it."""
    eviction_policy: Literal["allkeys-lfu", "allkeys-lru"] = "allkeys-lfu"
    """What goes when it is full."""
    resources: Resources = Resources()
    """Requests and limits of Redis."""
    template: PodTemplate = PodTemplate()
    """Laid over spec.template for the cache alone."""


class Queue(Model):
    """The RabbitMQ that accepted tasks wait in."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            ("self.replicas in [1, 3]", "replicas must be 1 or 3: a queue of two stands still when it loses one"),
            (
                "self.replicas == oldSelf.replicas",
                (
                    "replicas cannot change: put the former number back, or make a new stack with the other one and "
                    "let the workers empty this one's queue"
                ),
            ),
        )
    )

    replicas: int = Field(1, ge=1, le=3)
    """Nodes of the queue, 1 or 3. An accepted task survives the loss of one of three. One is not highly available, and
    the stack says so. It cannot change: one node's volume is not that of a cluster, and tasks that only the leaving
    ones of three have confirmed would be lost."""
    spread: Literal["Required", "Preferred"] = "Required"
    """Of three nodes. Required: each on a cluster node of its own. Preferred: two may share one, and its loss may cost
    the majority."""
    storage: Storage = Storage()
    """Volumes of the nodes."""
    consumer_timeout: FromMinute = "30m"
    """A delivery that is not acknowledged for so long goes back to the queue."""
    resources: Resources = Resources()
    """Requests and limits of RabbitMQ."""
    template: PodTemplate = PodTemplate()
    """Laid over spec.template for the queue alone."""


class ObjectStore(Model):
    """An S3-compatible store for reports and synced orders."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "!self.enabled || (has(self.bucket) && has(self.endpoint) && has(self.secretRef))",
                "an enabled object store needs bucket, endpoint and secretRef: set them, or enabled: false",
            ),
        )
    )

    enabled: bool = False
    """Whether there is one."""
    bucket: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", max_length=63)] | None = None
    """Bucket to write to; it must exist."""
    endpoint: Annotated[str, Field(pattern=r"^https?://[^\s@]+$", max_length=512)] | None = None
    """URL of the store."""
    secret_ref: SecretReference | None = None
    """Secret with keys access-key and secret-key."""
