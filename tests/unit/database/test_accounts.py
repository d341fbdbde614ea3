"""Who may do what: members reach each other whatever the services do, and nobody has more than its work needs."""

from __future__ import annotations

import pytest
from tests.unit.database.test_agent import PASSWORDS

from hcs_operator.agent.accounts import ACCOUNTS, REPLICATION, connection_limit, discard, rotate, set_up

pytestmark = pytest.mark.unit

EVERYONE = frozenset(PASSWORDS)


def grants(user: str) -> set[str]:
    """Privileges, each with where it holds."""
    (account,) = [it for it in ACCOUNTS if it.user == user]
    split = (grant.split(" ON ") for grant in account.grants)
    return {f"{word.strip()} ON {where}" for words, where in split for word in words.split(",")}


def test_a_member_may_replicate_clone_and_join_even_where_all_connections_are_taken() -> None:
    assert grants(REPLICATION) == {
        "REPLICATION SLAVE ON *.*",
        "BACKUP_ADMIN ON *.*",
        "CLONE_ADMIN ON *.*",
        "GROUP_REPLICATION_STREAM ON *.*",
        "CONNECTION_ADMIN ON *.*",
        "SELECT ON performance_schema.*",
        "SELECT ON hcs_meta.member_group",
    }


def test_the_operator_gets_in_where_all_connections_are_taken_and_writes_where_the_server_is_closed() -> None:
    assert {"CONNECTION_ADMIN ON *.*", "SYSTEM_VARIABLES_ADMIN ON *.*"} <= grants("hcs_admin")


@pytest.mark.parametrize("user", ["hcs_app", "hcs_read", "hcs_migrate"])
def test_a_services_account_has_no_privilege_over_the_server(user: str) -> None:
    assert not [grant for grant in grants(user) if grant.endswith("ON *.*")]


def test_each_account_is_set_to_its_limit_and_to_tls() -> None:
    statements = dict(set_up(PASSWORDS, frozenset(), 400))
    for account in ACCOUNTS:
        sql = f"ALTER USER '{account.user}'@'%%' REQUIRE SSL WITH MAX_USER_CONNECTIONS %s ACCOUNT UNLOCK"
        assert statements[sql] == (connection_limit(account, 400),)
    limited = [account.user for account in ACCOUNTS if connection_limit(account, 400)]
    assert limited == ["hcs_app", "hcs_read", "hcs_migrate"]


def test_a_rotation_keeps_the_old_password_until_it_is_discarded() -> None:
    assert all(sql.endswith("RETAIN CURRENT PASSWORD") for sql, _ in rotate(PASSWORDS, EVERYONE))
    assert all(sql.endswith("DISCARD OLD PASSWORD") for sql, _ in discard(EVERYONE))
