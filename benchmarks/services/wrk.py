"""wrk (Debian's), pinned to the load's core: one thread, a fixed number of connections that are kept alive."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.services.cores import LOAD

CONNECTIONS = 64
_SCRIPT = Path(__file__).with_name("wrk.lua")


class Failed(Exception):
    """Not every request got its answer, so the rate means nothing."""


@dataclass(frozen=True)
class Outcome:
    """What one run of wrk printed; times in milliseconds."""

    per_second: float
    p50: float
    p99: float


def outcome(printed: str) -> Outcome:
    """Of wrk's output with our script. Raises Failed where a request was refused, or none was answered."""
    line = next((line for line in printed.splitlines() if line.startswith("{")), None)
    if line is None:
        raise Failed(printed)
    found = json.loads(line)
    if not found["requests"] or any(found[kind] for kind in ("refused", "reset", "late")):
        raise Failed(line)
    return Outcome(found["requests"] / found["microseconds"] * 1e6, found["p50"] / 1e3, found["p99"] / 1e3)


def run(url: str, seconds: float, requests: Path | None = None) -> Outcome:
    """Loads a server. `requests`: a file that `write` wrote, else `url` is asked for again and again."""
    words = ["taskset", "--cpu-list", str(LOAD), "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{round(seconds)}s"]
    environment = {**os.environ, **({"BENCH_REQUESTS": str(requests)} if requests else {})}
    command = [*words, "--timeout=10s", f"--script={_SCRIPT}", url]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return outcome(done.stdout)


def get(path: str) -> bytes:
    """A GET as `write` takes it."""
    return f"GET {path} HTTP/1.1\r\nHost: bench\r\n\r\n".encode()


def post(path: str, body: bytes) -> bytes:
    """A POST of JSON as `write` takes it."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def write(file: Path, requests: Iterable[bytes]) -> Path:
    """Puts the requests into a file for `run`."""
    file.write_bytes(b"".join(request + b"\0" for request in requests))
    return file
