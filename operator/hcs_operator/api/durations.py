"""Durations as Kubernetes writes them: `500ms`, `30s`, `1h30m`."""

import re
from typing import Annotated

from pydantic import Field

PATTERN = r"^([0-9]+(ms|s|m|h))+$"
Duration = Annotated[str, Field(pattern=PATTERN, max_length=16)]

_PART = re.compile(r"([0-9]+)(ms|s|m|h)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def seconds(duration: str) -> float:
    """`1m30s` → 90.0. Raises ValueError for what is no duration."""
    if not re.fullmatch(PATTERN, duration):
        raise ValueError(f"{duration!r} is no duration: write 500ms, 30s, 5m or 1h30m")
    return sum(int(count) * _SECONDS[unit] for count, unit in _PART.findall(duration))


def milliseconds(duration: str) -> int:
    """`1m30s` → 90000."""
    return round(seconds(duration) * 1000)
