"""The database's plan: pure functions from one look (`api.database`) to steps, labels, status and problems."""
