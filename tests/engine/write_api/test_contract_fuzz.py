"""schemathesis over the write API's own OpenAPI document: whatever it sends, no answer is a server's error."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest
from tests.engine.write_api.conftest import Process

pytestmark = pytest.mark.engine

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "unsupported_method",
)


async def test_the_document_is_openapi_31_and_names_its_errors(client: aiohttp.ClientSession) -> None:
    async with client.get("/openapi.json") as answer:
        document = await answer.json()

    assert document["openapi"].startswith("3.1")
    create = document["paths"]["/api/v1/orders"]["post"]["responses"]
    assert {"201", "400", "404", "409", "413", "415", "422", "500", "503", "504"} <= create.keys()


def test_fuzzing_finds_no_server_error(write_api: Process, tmp_path: Path) -> None:
    run = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "run", f"http://127.0.0.1:{write_api.http}/openapi.json"),
            *("--checks", ",".join(CHECKS)),
            *("--max-examples", "20", "--seed", "20261123", "--workers", "1", "--no-color"),
        ],
        capture_output=True,
        text=True,
        timeout=240,
        cwd=tmp_path,
        check=False,
    )
    print(run.stdout[-3000:])
    assert run.returncode == 0, run.stdout[-6000:] + run.stderr[-2000:]
