"""Settings that mysqld takes while it runs: a change of `spec.database.config` to these alone restarts nobody.

They are those that are `Dynamic: Yes` in the manual
(https://dev.mysql.com/doc/refman/9.7/en/server-system-variable-reference.html), and of them only what a restart would
leave the same: an engine test holds each name and default against a real server. Left out, and restarted for:

- what is no plain number or switch: mysqld would not start again with a word that it does not know;
- what has a default that mysqld works out at its start (`table_open_cache`, `thread_cache_size`,
  `innodb_io_capacity_max`), or a value that it rounds (`innodb_buffer_pool_size`);
- `max_connections`: the accounts' limits are made from it at the start (`api.connections`);
- what a statement means (`sql_mode`, `transaction_isolation`, character sets): sessions that are open would go on with
  the old meaning beside the new;
- what counts only once replication is started again (`replica_*`), or is set by the group (`lock_wait_timeout`).
"""

import re
from collections.abc import Mapping

DEFAULTS: Mapping[str, str] = {
    "binlog_cache_size": "32768",
    "binlog_group_commit_sync_delay": "0",
    "binlog_group_commit_sync_no_delay_count": "0",
    "binlog_rows_query_log_events": "OFF",
    "binlog_stmt_cache_size": "32768",
    "binlog_transaction_compression": "OFF",
    "binlog_transaction_compression_level_zstd": "3",
    "bulk_insert_buffer_size": "8388608",
    "connect_timeout": "10",
    "cte_max_recursion_depth": "1000",
    "eq_range_index_dive_limit": "200",
    "general_log": "OFF",
    "group_concat_max_len": "1024",
    "histogram_generation_max_mem_size": "20000000",
    "innodb_adaptive_flushing": "ON",
    "innodb_adaptive_flushing_lwm": "10",
    "innodb_adaptive_hash_index": "OFF",
    "innodb_autoextend_increment": "64",
    "innodb_buffer_pool_dump_at_shutdown": "ON",
    "innodb_buffer_pool_dump_pct": "25",
    "innodb_ddl_buffer_size": "1048576",
    "innodb_ddl_threads": "4",
    "innodb_deadlock_detect": "ON",
    "innodb_flush_neighbors": "0",
    "innodb_flush_sync": "ON",
    "innodb_flushing_avg_loops": "30",
    "innodb_idle_flush_pct": "100",
    "innodb_lock_wait_timeout": "50",
    "innodb_lru_scan_depth": "1024",
    "innodb_max_dirty_pages_pct": "90.000000",
    "innodb_max_dirty_pages_pct_lwm": "10.000000",
    "innodb_max_purge_lag": "0",
    "innodb_max_purge_lag_delay": "0",
    "innodb_max_undo_log_size": "1073741824",
    "innodb_old_blocks_pct": "37",
    "innodb_old_blocks_time": "1000",
    "innodb_online_alter_log_max_size": "134217728",
    "innodb_parallel_read_threads": "4",
    "innodb_print_all_deadlocks": "OFF",
    "innodb_purge_batch_size": "300",
    "innodb_random_read_ahead": "OFF",
    "innodb_read_ahead_threshold": "56",
    "innodb_redo_log_capacity": "104857600",
    "innodb_spin_wait_delay": "6",
    "innodb_stats_auto_recalc": "ON",
    "innodb_stats_on_metadata": "OFF",
    "innodb_stats_persistent_sample_pages": "20",
    "innodb_stats_transient_sample_pages": "8",
    "innodb_sync_spin_loops": "30",
    "innodb_thread_concurrency": "0",
    "innodb_undo_log_truncate": "ON",
    "interactive_timeout": "28800",
    "join_buffer_size": "262144",
    "log_error_verbosity": "2",
    "log_queries_not_using_indexes": "OFF",
    "log_slow_admin_statements": "OFF",
    "log_slow_extra": "OFF",
    "log_slow_replica_statements": "OFF",
    "log_throttle_queries_not_using_indexes": "0",
    "long_query_time": "10.000000",
    "max_allowed_packet": "67108864",
    "max_binlog_size": "1073741824",
    "max_connect_errors": "100",
    "max_execution_time": "0",
    "max_heap_table_size": "16777216",
    "max_prepared_stmt_count": "16382",
    "max_sort_length": "1024",
    "min_examined_row_limit": "0",
    "net_read_timeout": "30",
    "net_retry_count": "10",
    "net_write_timeout": "60",
    "optimizer_prune_level": "1",
    "optimizer_search_depth": "62",
    "range_optimizer_max_mem_size": "8388608",
    "read_buffer_size": "131072",
    "read_rnd_buffer_size": "262144",
    "slow_query_log": "OFF",
    "sort_buffer_size": "262144",
    "stored_program_cache": "256",
    "temptable_max_mmap": "0",
    "tmp_table_size": "16777216",
    "wait_timeout": "28800",
}
"""By name: what a start without it gives, as performance_schema.global_variables shows it."""

_SWITCH = {"1": "ON", "ON": "ON", "TRUE": "ON", "0": "OFF", "OFF": "OFF", "FALSE": "OFF"}
_INTEGER = re.compile(r"([0-9]{1,20})([KMGTPE]?)", re.IGNORECASE)
_FRACTION = re.compile(r"[0-9]{1,9}(\.[0-9]{1,6})?")


def canonical(name: str, text: str) -> str | None:
    """Return a value as the server shows it; None where `name` is not set at run time, or `text` is no value of it.

    A value that is none keeps mysqld from starting. As a change that restarts it stops at the first pod.
    """
    default = DEFAULTS.get(name)
    if default is None:
        return None
    if default in {"ON", "OFF"}:
        return _SWITCH.get(text.upper())
    return _fraction(text) if "." in default else _integer(text)


def _fraction(text: str) -> str | None:
    return f"{float(text):.6f}" if _FRACTION.fullmatch(text) else None


def _integer(text: str) -> str | None:
    """`16M` → 16777216, as in my.cnf; 64 bits, beyond which mysqld does not start."""
    if (found := _INTEGER.fullmatch(text)) is None:
        return None
    number = int(found[1]) << 10 * " KMGTPE".index(found[2].upper() or " ")
    return str(number) if number < 2**64 else None


def needing_restart(config: Mapping[str, str]) -> dict[str, str]:
    """Return what of my.cnf counts only from a start on."""
    return {name: value for name, value in config.items() if canonical(name, value) is None}


def set_at_run_time(my_cnf: str) -> dict[str, str | None]:
    """Return what a my.cnf says of the settings here, by name, as the server shows it; None counts from a start on."""
    lines = (line.partition("=") for line in my_cnf.splitlines())
    return {name: canonical(name, value) for name, _, value in lines if name in DEFAULTS}
