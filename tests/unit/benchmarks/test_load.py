"""What the load generators print is read, and a run with requests that failed is no measurement."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from benchmarks.services import wrk
from benchmarks.services.measurement import Sample
from benchmarks.services.reads import benchmarked

pytestmark = pytest.mark.unit

FINE = {"requests": 6000, "microseconds": 3_000_000, "refused": 0, "reset": 0, "late": 0, "p50": 1500, "p99": 20_000}


def test_a_rate_is_of_the_time_that_wrk_measured() -> None:
    assert wrk.outcome(f"Running 3s test\n{json.dumps(FINE)}\n") == wrk.Outcome(2000, 1.5, 20)


@pytest.mark.parametrize("change", [{"refused": 1}, {"reset": 1}, {"late": 1}, {"requests": 0}])
def test_a_run_with_a_request_that_failed_or_without_any_is_refused(change: dict[str, int]) -> None:
    with pytest.raises(wrk.Failed):
        wrk.outcome(json.dumps({**FINE, **change}))


def test_output_without_figures_is_shown() -> None:
    with pytest.raises(wrk.Failed, match="unable to connect"):
        wrk.outcome("unable to connect to 127.0.0.1:80")


def test_requests_are_whole_and_end_in_a_zero_byte(tmp_path: Path) -> None:
    file = wrk.write(tmp_path / "requests", [wrk.get("/a"), wrk.post("/b", b"{}")])
    first, second, rest = file.read_bytes().split(b"\0")
    assert first == b"GET /a HTTP/1.1\r\nHost: bench\r\n\r\n"
    assert second.endswith(b"Content-Length: 2\r\n\r\n{}")
    assert rest == b""


def test_redis_benchmarks_figures_are_found_by_their_names() -> None:
    printed = (
        '"test","rps","avg_latency_ms","min_latency_ms","p50_latency_ms","p95_latency_ms","p99_latency_ms","max_latency_ms"\n'
        '"GET p:__rand_int__","51282.05","0.61","0.1","0.591","1.0","1.335","3.1"\n'
    )
    assert benchmarked(printed, 0.9) == Sample(51282.05, 0.591, 1.335, 0.9)
