"""Times are RFC 3339 with an offset, of any precision; what is finer than a microsecond is left out."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pydantic import TypeAdapter, ValidationError

from hcs_services.models import Timestamp

TIMES: TypeAdapter[datetime] = TypeAdapter(Timestamp)


@pytest.mark.parametrize(
    ("text", "microsecond"),
    [
        ("2026-01-02T03:04:05Z", 0),
        ("2026-01-02T05:04:05.5+02:00", 500_000),
        ("2026-01-02T03:04:05.123456789Z", 123_456),
    ],
)
def test_a_time_is_read_as_utc(text: str, microsecond: int) -> None:
    assert TIMES.validate_python(text) == datetime(2026, 1, 2, 3, 4, 5, microsecond, UTC)


@pytest.mark.parametrize("text", ["2026-01-02", "2026-01-02T03:04:05", "2026-01-02 03:04:05Z", "2026-01-02T03:04:05.Z"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        TIMES.validate_python(text)
