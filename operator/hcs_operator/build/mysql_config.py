"""my.cnf of members and readers, and the script that starts mysqld. Settings that are not obvious have reasons."""

from collections.abc import Mapping

from hcs_operator.api.connections import MAX_CONNECTIONS
from hcs_operator.api.database import Role

_SETTINGS: Mapping[str, str] = {
    "datadir": "/var/lib/mysql/data",
    "socket": "/run/mysqld/mysqld.sock",
    "pid_file": "/run/mysqld/mysqld.pid",
    "tmpdir": "/tmp",  # noqa: S108 - an emptyDir
    "mysqlx": "OFF",
    "character_set_server": "utf8mb4",
    "default_time_zone": "+00:00",
    "max_connections": str(MAX_CONNECTIONS),
    # without it every new connection waits seconds for a reverse look-up
    "skip_name_resolve": "ON",
    "secure_file_priv": "NULL",
    "ssl_ca": "/etc/hcs/tls/ca.crt",
    "ssl_cert": "/etc/hcs/tls/tls.crt",
    "ssl_key": "/etc/hcs/tls/tls.key",
    # names that do not follow the host's, so that a volume can move
    "log_bin": "binlog",
    "relay_log": "relay",
    "binlog_expire_logs_seconds": "604800",
    "gtid_mode": "ON",
    "enforce_gtid_consistency": "ON",
    "log_replica_updates": "ON",
    # nobody writes before the agent or the group says so
    "super_read_only": "ON",
    "replica_net_timeout": "3",
    "performance_schema_consumer_events_statements_cpu": "ON",
    "innodb_redo_log_capacity": "134217728",
    "plugin_load_add": "mysql_clone.so",
}

GROUP: Mapping[str, str] = {
    "communication_stack": "MYSQL",
    "start_on_boot": "OFF",
    "bootstrap_group": "OFF",
    # for a newcomer; its agent lowers it to 0 once it is ONLINE (docs/adr/0022)
    "member_expel_timeout": "5",
    "unreachable_majority_timeout": "5",
    "autorejoin_tries": "2016",
    # a newcomer looks for a donor ten times; by default with a minute between, in which nobody could take the group up
    "recovery_reconnect_interval": "5",
    "consistency": "BEFORE_ON_PRIMARY_FAILOVER",
    "paxos_single_leader": "ON",
    "ssl_mode": "VERIFY_IDENTITY",
    "recovery_use_ssl": "ON",
    "recovery_ssl_ca": "/etc/hcs/tls/ca.crt",
    "recovery_ssl_verify_server_cert": "ON",
    # the default of 1 GiB is more than a small member has
    "message_cache_size": "134217728",
    # what waits to be applied is what clients wait for after a failover: docs/adr/0019
    "flow_control_applier_threshold": "500",
    # one that has just joined leads nobody yet: what it has to catch up with slows writes to this and no less
    "flow_control_min_recovery_quota": "1000",
}

BY_ROLE: Mapping[Role, Mapping[str, str]] = {
    Role.MEMBER: {
        "sync_binlog": "1",
        "innodb_flush_log_at_trx_commit": "1",
        # ON would throw away what was received and not yet applied: acknowledged writes
        "relay_log_recovery": "OFF",
        # the agent starts the group, when accounts and name are there
        "skip_replica_start": "ON",
    },
    Role.READER: {
        # a reader can always be cloned anew
        "sync_binlog": "1000",
        "innodb_flush_log_at_trx_commit": "2",
        "relay_log_recovery": "ON",
        # a restarted reader follows its source again, the operator running or not
        "skip_replica_start": "OFF",
    },
}


def render(role: Role, own: Mapping[str, str], memory_limit: int) -> str:
    """my.cnf: the role's settings, then the user's own. `memory_limit` is the container's, in bytes."""
    pool = _buffer_pool(memory_limit // 2**20)
    settings = {**_SETTINGS, "innodb_buffer_pool_size": f"{pool}M", **BY_ROLE[role], **own}
    lines = ["[mysqld]", *(f"{name}={value}" for name, value in settings.items())]
    # loose-: the server that only makes the data directory runs without plugins
    group = [f"loose-group_replication_{name}={value}" for name, value in GROUP.items()]
    return "\n".join(
        [*lines, "plugin_load_add=group_replication.so", *group, "loose-clone_ssl_ca=/etc/hcs/tls/ca.crt", ""]
    )


def _buffer_pool(limit: int) -> int:
    """MiB of buffer pool in a container of `limit` MiB: what 600 MiB of server leave of three fifths, or a quarter."""
    return max(64, limit // 4, limit * 3 // 5 - 600)


START = """set -eu
# Process 1 never hears a signal that it has no handler for: told to end while it starts, it would be there until its
# grace is over. So the shell has a handler, and mysqld is started with SIGTERM blocked, as it blocks it itself as soon
# as it can: what comes before it takes signals is kept for it.
trap 'exit 143' TERM
# Members and readers of one stack need ids of their own: the ordinal, from another hundred for readers.
ordinal=${POD_NAME##*-}
case $HCS_ROLE in member) id=$((100 + ordinal)) ;; *) id=$((1000 + ordinal)) ;; esac
# The data directory is made aside and renamed when it is complete: a start that dies half-way is begun anew.
if [ ! -d /var/lib/mysql/data ]; then
  rm -rf /var/lib/mysql/new
  mysqld --defaults-file=/etc/hcs/mysql/my.cnf --datadir=/var/lib/mysql/new --server-id="$id" \\
    --initialize-insecure --super-read-only=OFF &
  wait $!
  mv /var/lib/mysql/new /var/lib/mysql/data
fi
# A server that was killed leaves its process's number beside its socket: a probe that has it now would end the start.
rm -f /run/mysqld/stopping /run/mysqld/mysqld.sock.lock
# A server that has cloned and one that is told to RESTART end with 16, and their parent starts them again: the kubelet
# would wait before it does, longer each time. 143 is no server's end: a signal ended the wait.
code=16
while [ "$code" = 16 ]; do
  env --block-signal=TERM MYSQLD_PARENT_PID=$$ \\
    mysqld --defaults-file=/etc/hcs/mysql/my.cnf --server-id="$id" --report-host="$POD_FQDN" \\
    --loose-group-replication-local-address="$POD_FQDN:3306" &
  server=$!
  trap 'kill -TERM "$server" || exit 143' TERM
  code=143
  while [ "$code" = 143 ]; do code=0; wait "$server" || code=$?; done
done
exit "$code"
"""

# Leaving the group comes before SIGTERM: a primary that is stopped under writes hangs for a minute in a commit that can
# no longer be certified. It hands over first, so that running transactions end and nobody has to be elected. The file
# keeps the agent from taking the group up again; the next start removes it.
LEAVE = """touch /run/mysqld/stopping
ask() {
  timeout "$1" mysql --no-defaults --socket=/run/mysqld/mysqld.sock --user=root --skip-column-names --execute="$2"
}
successor=$(ask 5 "SELECT other.MEMBER_ID
  FROM performance_schema.replication_group_members AS other
  JOIN performance_schema.replication_group_members AS own ON own.MEMBER_ID = @@server_uuid
  JOIN performance_schema.replication_group_member_stats AS stats ON stats.MEMBER_ID = other.MEMBER_ID
 WHERE own.MEMBER_ROLE = 'PRIMARY' AND own.MEMBER_STATE = 'ONLINE'
   AND other.MEMBER_STATE = 'ONLINE' AND other.MEMBER_ID <> own.MEMBER_ID
 ORDER BY stats.COUNT_TRANSACTIONS_REMOTE_IN_APPLIER_QUEUE, other.MEMBER_ID LIMIT 1")
if [ -n "$successor" ]; then ask 15 "SELECT group_replication_set_as_primary('$successor')"; fi
ask 30 "STOP GROUP_REPLICATION" || true
"""
