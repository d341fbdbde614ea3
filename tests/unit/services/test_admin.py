from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.unit.services.asgi import call

from hcs_services import admin
from hcs_services.admin import Admin, AdminRequest, SelftestResult
from hcs_services.problem import problem


@pytest.fixture
def port() -> Admin:
    port = Admin()
    port.started = True
    return port


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/startupz", "/metrics", "/selftest"])
async def test_a_running_process_answers_every_probe(port: Admin, path: str) -> None:
    assert (await call(port, "GET", path)).status == 200


async def test_a_starting_process_is_alive_and_not_ready(port: Admin) -> None:
    port.started = False

    assert (await call(port, "GET", "/livez")).status == 200
    assert (await call(port, "GET", "/startupz")).status == 503
    assert (await call(port, "GET", "/readyz")).json == {"ok": False, "message": "starting"}


async def test_a_draining_process_is_alive_and_not_ready(port: Admin) -> None:
    port.draining = True

    assert (await call(port, "GET", "/livez")).status == 200
    assert (await call(port, "GET", "/readyz")).json == {"ok": False, "message": "draining"}


async def test_a_failing_selftest_is_a_503_with_its_words(port: Admin) -> None:
    async def failing() -> SelftestResult:
        return SelftestResult(ok=False, reason="NoPrimary", message="None.", data={"ageSeconds": 3.0})

    port.selftest = failing
    answer = await call(port, "GET", "/selftest")

    assert answer.status == 503
    assert answer.json == {"ok": False, "reason": "NoPrimary", "message": "None.", "data": {"ageSeconds": 3.0}}


async def test_a_selftest_that_hangs_is_ended(port: Admin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admin, "_SELFTEST_SECONDS", 0.02)

    async def hanging() -> SelftestResult:
        await asyncio.Event().wait()
        raise AssertionError

    port.selftest = hanging
    answer = await call(port, "GET", "/selftest")

    assert (answer.status, answer.json["reason"]) == (503, "SelftestTimeout")


async def test_an_extra_route_sees_its_request_and_may_refuse_it(port: Admin) -> None:
    async def drain(request: AdminRequest) -> tuple[int, dict[str, Any]]:
        if request.headers.get("authorization") != "Bearer right":
            raise problem("forbidden", "The token is wrong.")
        return 200, {"body": request.body.decode()}

    port.add_route("POST", "/drain", drain)

    right = {"Authorization": "Bearer right", "Content-Length": "2"}
    assert (await call(port, "POST", "/drain", headers=right, body=b"{}")).json == {"body": "{}"}
    assert (await call(port, "POST", "/drain")).status == 403
    assert (await call(port, "GET", "/drain")).status == 404


async def test_a_long_admin_body_is_refused(port: Admin) -> None:
    async def take(_request: AdminRequest) -> tuple[int, dict[str, Any]]:
        return 200, {}

    port.add_route("POST", "/drain", take)

    assert (await call(port, "POST", "/drain", headers={"Content-Length": "5000"})).status == 413
