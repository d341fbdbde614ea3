"""Fuzzing the API from its own OpenAPI document, and counting how much of it reached a service."""

import json
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DOCUMENT = "/api/v1/openapi/gateway.json"
SERVED_BY = "x-served-by"
"""The gateway sets it on every answer that a service gave, and on none of its own."""
CONFIG = Path(__file__).with_name("schemathesis.toml")


@dataclass(frozen=True)
class Outcome:
    """What a run found: its report in words, and its calls by status and by the service that answered."""

    ok: bool
    report: str
    statuses: Counter[int]
    served: Counter[str]
    refused: list[str]

    @property
    def calls(self) -> int:
        """All calls."""
        return self.statuses.total()

    @property
    def reached(self) -> float:
        """The part of the calls that a service answered."""
        return self.served.total() / self.calls if self.calls else 0.0


def fuzz(base: str, folder: Path, *, examples: int, seed: int, seconds: float) -> Outcome:
    """Run schemathesis over the gateway's union of documents; `examples` are generated cases for each operation."""
    har = folder / "calls.har"
    done = subprocess.run(
        [
            Path(sys.executable).with_name("schemathesis"), "--config-file", CONFIG, "run", base + DOCUMENT,
            "--phases", "examples,coverage,fuzzing", "--checks", "not_a_server_error", "--continue-on-failure",
            "--max-examples", str(examples), "--seed", str(seed), "--request-timeout", "30", "--no-color",
            "--warnings", "off", "--report", "har", "--report-har-path", har,
        ],
        capture_output=True, check=False, text=True, timeout=seconds, cwd=folder,
    )  # fmt: skip
    entries: list[dict[str, Any]] = json.loads(har.read_text())["log"]["entries"] if har.exists() else []
    served: Counter[str] = Counter()
    refused = []
    for entry in entries:
        names = {field["name"].lower(): field["value"] for field in entry["response"]["headers"]}
        if SERVED_BY in names:
            served[names[SERVED_BY]] += 1
        else:
            refused.append(f"{entry['response']['status']} {entry['request']['method']} {entry['request']['url']}")
    statuses = Counter(entry["response"]["status"] for entry in entries)
    return Outcome(done.returncode == 0, done.stdout + done.stderr, statuses, served, refused)
