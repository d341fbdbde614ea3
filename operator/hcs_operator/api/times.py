"""Times as the API writes them: RFC 3339 in UTC, whole seconds."""

from datetime import UTC, datetime


def stamp(at: float) -> str:
    """Unix seconds → `2026-01-31T12:00:00Z`."""
    return datetime.fromtimestamp(int(at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds(text: str | None) -> float | None:
    """`2026-01-31T12:00:00Z` → Unix seconds; None for what is no time."""
    try:
        return datetime.fromisoformat(text).timestamp() if text else None
    except ValueError:
        return None
