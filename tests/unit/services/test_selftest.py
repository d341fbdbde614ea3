from __future__ import annotations

import pytest

from hcs_services.write_api.selftest import judge


@pytest.mark.parametrize(
    ("beat", "outbox", "cache", "ok", "reason"),
    [
        (0.4, None, True, True, "WritesCommit"),
        (0.4, 29.0, True, True, "WritesCommit"),
        (0.4, 31.0, True, True, "OutboxOld"),
        (0.4, None, False, True, "CacheUnavailable"),
        (5.1, None, True, False, "HeartbeatStale"),
        (None, None, True, False, "HeartbeatStale"),
    ],
)
def test_only_the_heartbeat_decides(
    beat: float | None, outbox: float | None, cache: bool, ok: bool, reason: str
) -> None:
    result = judge(beat, outbox, cache_answers=cache)

    assert (result.ok, result.reason) == (ok, reason)


def test_an_old_outbox_is_said_in_numbers() -> None:
    result = judge(0.4, 42.4, cache_answers=True)

    assert "42 s behind" in result.message
    assert result.data == {"heartbeatAgeSeconds": 0.4, "outboxAgeSeconds": 42.4, "cacheAnswers": 1.0}
