"""The settings of mysqld that a failover without losses rests on, to the letter: one that is gone costs no other test."""

from __future__ import annotations

import pytest
from tests.unit.build.stacks import built

GROUP = "loose-group_replication_"
EVERYWHERE = {
    "gtid_mode": "ON",
    "enforce_gtid_consistency": "ON",
    "log_replica_updates": "ON",
    # nobody writes before the group says so, also after a crash
    "super_read_only": "ON",
    # a dead source is noticed within seconds
    "replica_net_timeout": "3",
    # a reverse look-up per connection makes every member look broken
    "skip_name_resolve": "ON",
    # names that do not follow the host's
    "log_bin": "binlog",
    "relay_log": "relay",
    "max_connections": "400",
    "loose-clone_ssl_ca": "/etc/hcs/tls/ca.crt",
    # a start of mysqld founds nothing, and joins nothing without its agent
    f"{GROUP}start_on_boot": "OFF",
    f"{GROUP}bootstrap_group": "OFF",
    # a member that was cut off gives up after 5 s, and goes on trying
    f"{GROUP}unreachable_majority_timeout": "5",
    f"{GROUP}autorejoin_tries": "2016",
    # a newcomer is slow to expel whom it has not heard yet, and soon gives up where nobody can bring it up to date
    f"{GROUP}member_expel_timeout": "5",
    f"{GROUP}recovery_reconnect_interval": "5",
    # a new primary answers with what the old one acknowledged
    f"{GROUP}consistency": "BEFORE_ON_PRIMARY_FAILOVER",
    # the queue of a member that may come to lead is about a second's work
    f"{GROUP}flow_control_applier_threshold": "500",
    f"{GROUP}flow_control_min_recovery_quota": "1000",
    f"{GROUP}paxos_single_leader": "ON",
    f"{GROUP}communication_stack": "MYSQL",
    f"{GROUP}ssl_mode": "VERIFY_IDENTITY",
    f"{GROUP}recovery_use_ssl": "ON",
    f"{GROUP}recovery_ssl_ca": "/etc/hcs/tls/ca.crt",
    f"{GROUP}recovery_ssl_verify_server_cert": "ON",
}
BY_ROLE = {
    "db": {
        # what was received and not applied yet may be acknowledged: it outlives a crash
        "relay_log_recovery": "OFF",
        "skip_replica_start": "ON",
        "sync_binlog": "1",
        "innodb_flush_log_at_trx_commit": "1",
    },
    "replica": {"relay_log_recovery": "ON", "skip_replica_start": "OFF"},
}


def my_cnf(component: str) -> list[str]:
    return str(built(replica=1)[f"ConfigMap/shop-{component}-0"]["data"]["my.cnf"]).splitlines()


@pytest.mark.parametrize("component", BY_ROLE)
def test_a_failover_finds_the_settings_that_it_rests_on(component: str) -> None:
    found = dict(line.split("=", maxsplit=1) for line in my_cnf(component) if "=" in line)
    wanted = EVERYWHERE | BY_ROLE[component]
    assert {name: found.get(name) for name in wanted} == wanted


@pytest.mark.parametrize("component", BY_ROLE)
def test_no_setting_stands_twice_but_the_plugins(component: str) -> None:
    names = [line.partition("=")[0] for line in my_cnf(component) if "=" in line]
    assert sorted({name for name in names if names.count(name) > 1}) == ["plugin_load_add"]


@pytest.mark.parametrize("component", BY_ROLE)
@pytest.mark.parametrize("name", ["group_name", "group_seeds"])
def test_which_group_it_is_stands_with_the_rows_and_not_in_my_cnf(component: str, name: str) -> None:
    assert not [line for line in my_cnf(component) if f"group_replication_{name}" in line]


@pytest.mark.parametrize("name", ["flow_control_mode", "transaction_size_limit"])
def test_the_engines_own_bounds_are_left_on(name: str) -> None:
    assert not [line for line in my_cnf("db") if f"group_replication_{name}" in line]
