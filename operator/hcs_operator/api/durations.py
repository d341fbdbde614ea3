"""Durations as Kubernetes writes them: `500ms`, `30s`, `1h30m`."""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from hcs_operator.api.model import rules

PATTERN = r"^([0-9]+(ms|s|m|h))+$"

_PART = re.compile(r"([0-9]+)(ms|s|m|h)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_LONGEST = "8760h"


def seconds(duration: str) -> float:
    """`1m30s` → 90.0. Raises ValueError for what is no duration."""
    if not re.fullmatch(PATTERN, duration):
        raise ValueError(f"{duration!r} is no duration: write 500ms, 30s, 5m or 1h30m")
    return sum(int(count) * _SECONDS[unit] for count, unit in _PART.findall(duration))


def milliseconds(duration: str) -> int:
    """`1m30s` → 90000. Raises ValueError."""
    return round(seconds(duration) * 1000)


def _from(least: str) -> tuple[dict[str, Any], AfterValidator]:
    """The bounds of a field, as a CEL rule and as a check of what is parsed; no time is longer than a year."""
    message = f"must be from {least} to {_LONGEST}: write a time between them"

    def check(value: str) -> str:
        if not seconds(least) <= seconds(value) <= seconds(_LONGEST):
            raise ValueError(message)
        return value

    rule = f"duration(self) >= duration('{least}') && duration(self) <= duration('{_LONGEST}')"
    return rules((rule, message)), AfterValidator(check)


_ZERO, _MILLI, _SECOND, _FIVE, _MINUTE = (_from(least) for least in ("0s", "1ms", "1s", "5s", "1m"))
Duration = Annotated[str, Field(pattern=PATTERN, max_length=16, json_schema_extra=_ZERO[0]), _ZERO[1]]
FromMillisecond = Annotated[str, Field(pattern=PATTERN, max_length=16, json_schema_extra=_MILLI[0]), _MILLI[1]]
FromSecond = Annotated[str, Field(pattern=PATTERN, max_length=16, json_schema_extra=_SECOND[0]), _SECOND[1]]
FromFiveSeconds = Annotated[str, Field(pattern=PATTERN, max_length=16, json_schema_extra=_FIVE[0]), _FIVE[1]]
FromMinute = Annotated[str, Field(pattern=PATTERN, max_length=16, json_schema_extra=_MINUTE[0]), _MINUTE[1]]
