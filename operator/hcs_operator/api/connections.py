"""How the connections of a mysqld are shared out: the agent sets its accounts' limits so, builders keep to them."""

MAX_CONNECTIONS = 400
"""max_connections where `spec.database.config` does not say otherwise."""
RESERVED_CONNECTIONS = 30
"""Of max_connections, kept for members, readers, operator and agent."""
MIGRATE_CONNECTIONS = 5


def service_connections(max_connections: int) -> int:
    """Return MAX_USER_CONNECTIONS of `hcs_app`, and of `hcs_read`: the two share what is not kept for others."""
    return max(1, (max_connections - RESERVED_CONNECTIONS - MIGRATE_CONNECTIONS) // 2)
