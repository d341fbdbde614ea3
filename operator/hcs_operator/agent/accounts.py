"""The accounts of a stack's MySQL: who may do what, and the statements that bring it about.

Least grants: an account that leaks can do what its owner does, and no more. The connection limits of the services'
accounts add up to less than max_connections, so that an application's storm keeps neither member nor operator out.
"""

from collections.abc import Iterator
from typing import NamedTuple

from hcs_operator.api.connections import MIGRATE_CONNECTIONS, service_connections

_GROUP_TABLES = (
    "SELECT ON performance_schema.replication_group_members",
    "SELECT ON performance_schema.replication_group_member_stats",
)


class Account(NamedTuple):
    """One account, from any host, over TLS only."""

    user: str
    password_file: str
    grants: tuple[str, ...]
    of_services: bool = False
    """Whether the services' pods log in as this one, and share its connections."""


ADMIN = "hcs_admin"
REPLICATION = "hcs_repl"

ACCOUNTS: tuple[Account, ...] = (
    Account(
        REPLICATION,
        "repl-password",
        (
            "REPLICATION SLAVE, BACKUP_ADMIN, CONNECTION_ADMIN, GROUP_REPLICATION_STREAM, CLONE_ADMIN ON *.*",
            "SELECT ON performance_schema.*",
            "SELECT ON hcs_meta.member_group",
        ),
    ),
    Account("hcs_app", "app-password", ("SELECT, INSERT, UPDATE, DELETE ON hcs.*", *_GROUP_TABLES), of_services=True),
    Account("hcs_read", "read-password", ("SELECT ON hcs.*", *_GROUP_TABLES), of_services=True),
    Account(
        "hcs_migrate",
        "migrate-password",
        ("SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, DROP, INDEX, REFERENCES ON hcs.*", *_GROUP_TABLES),
    ),
    # The operator's comes last: when it can log in, all others are in place.
    Account(
        ADMIN,
        "admin-password",
        (
            "PROCESS, RELOAD, REPLICATION CLIENT ON *.*",
            "CONNECTION_ADMIN, SYSTEM_VARIABLES_ADMIN ON *.*",
            "REPLICATION_SLAVE_ADMIN, CLONE_ADMIN, GROUP_REPLICATION_ADMIN ON *.*",
            "SELECT ON performance_schema.*",
            "SELECT, INSERT, UPDATE, DELETE ON hcs_meta.*",
            # CREATE, because a table that does not exist yet cannot be granted otherwise.
            "CREATE, SELECT ON hcs.heartbeat",
        ),
    ),
)

_META = (
    "CREATE SCHEMA IF NOT EXISTS hcs_meta",
    """
CREATE TABLE IF NOT EXISTS hcs_meta.member_group (
  id TINYINT UNSIGNED PRIMARY KEY CHECK (id = 1),
  group_name CHAR(36) CHARACTER SET ascii NOT NULL,
  epoch INT UNSIGNED NOT NULL,
  solo_uuid CHAR(36) CHARACTER SET ascii
    COMMENT 'the server that is alone in the group and may bootstrap it (no clone has its uuid); NULL: others may join'
)""",
    """
CREATE TABLE IF NOT EXISTS hcs_meta.channel_owner (
  id TINYINT UNSIGNED PRIMARY KEY CHECK (id = 1),
  server_uuid CHAR(36) CHARACTER SET ascii NOT NULL COMMENT 'the reader whose channel this is; a clone has another uuid'
)""",
)

Statement = tuple[str, tuple[object, ...]]


def set_up(passwords: dict[str, str], denied: frozenset[str], max_connections: int) -> Iterator[Statement]:
    """Yield what brings an instance's own tables and accounts to what they must be; safe to repeat.

    Runs with sql_log_bin=0: each instance does it for itself. `passwords` by user; only those in `denied` are set anew.
    """
    yield from ((sql, ()) for sql in _META)
    for account in ACCOUNTS:
        name = f"'{account.user}'@'%%'"
        limit = connection_limit(account, max_connections)
        yield f"CREATE USER IF NOT EXISTS {name} IDENTIFIED BY %s", (passwords[account.user],)
        if account.user in denied:
            yield f"ALTER USER {name} IDENTIFIED BY %s", (passwords[account.user],)
        yield f"ALTER USER {name} REQUIRE SSL WITH MAX_USER_CONNECTIONS %s ACCOUNT UNLOCK", (limit,)
        for grant in account.grants:
            yield f"GRANT {grant} TO '{account.user}'@'%'", ()


def rotate(passwords: dict[str, str], denied: frozenset[str]) -> Iterator[Statement]:
    """Yield what gives accounts their new password on the primary, replicated; the old one works on beside it."""
    for account in ACCOUNTS:
        if account.user in denied:
            sql = f"ALTER USER '{account.user}'@'%%' IDENTIFIED BY %s RETAIN CURRENT PASSWORD"
            yield sql, (passwords[account.user],)


def discard(users: frozenset[str]) -> Iterator[Statement]:
    """Yield what ends the old passwords."""
    for user in sorted(users):
        yield f"ALTER USER '{user}'@'%' DISCARD OLD PASSWORD", ()


def connection_limit(account: Account, max_connections: int) -> int:
    """Return MAX_USER_CONNECTIONS; 0 means no limit of its own."""
    if account.user == "hcs_migrate":
        return MIGRATE_CONNECTIONS
    return service_connections(max_connections) if account.of_services else 0
