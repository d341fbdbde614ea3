from __future__ import annotations

import json
from typing import Any

import pytest
from prometheus_client import REGISTRY
from tests.unit.services.asgi import call

from hcs_services import application, observability
from hcs_services.settings import Settings


def count(method: str, route: str, status: str, service: str = "observed") -> float:
    labels = {"service": service, "method": method, "route": route, "status": status}
    return REGISTRY.get_sample_value("hcs_http_requests_total", labels) or 0


@pytest.fixture
def app() -> Any:
    api, served = application.create("Test", "A test.", Settings(tier="observed"))

    @api.get("/things/{thing}")
    async def read(thing: str) -> dict[str, str]:
        return {"thing": thing}

    return served


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_requests_are_counted_by_route_template(app: Any, method: str) -> None:
    before = count(method, "/things/{thing}", "200")

    await call(app, method, "/things/one")
    await call(app, method, "/things/two")

    assert count(method, "/things/{thing}", "200") == before + 2


async def test_paths_and_methods_of_nobody_share_one_label(app: Any) -> None:
    before = count("other", "unmatched", "404")

    await call(app, "BREW", "/a/b/c")

    assert count("other", "unmatched", "404") == before + 1


async def test_a_request_is_one_json_line_without_query_body_or_header(
    app: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    import structlog

    observability.configure_logging("info", stack="shop", tier="observed")
    try:
        await call(app, "GET", "/things/one?secret=hush", headers={"Authorization": "hush", "X-Request-Id": "abc"})
    finally:
        structlog.reset_defaults()

    (line,) = [text for text in capsys.readouterr().out.splitlines() if '"event": "request"' in text]
    document = json.loads(line)
    assert (document["route"], document["status"], document["request_id"]) == ("/things/{thing}", 200, "abc")
    assert (document["stack"], document["tier"]) == ("shop", "observed")
    assert "hush" not in line


async def test_requests_in_flight_are_counted_while_they_are() -> None:
    def in_flight() -> float | None:
        return REGISTRY.get_sample_value("hcs_http_in_flight", {"service": "in-flight"})

    seen = []

    async def application(_scope: Any, _receive: Any, _send: Any) -> None:
        seen.append(in_flight())
        raise ValueError

    observed = observability.Observed(application, service="in-flight", access_log=False)
    assert in_flight() == 0
    with pytest.raises(ValueError):
        await observed({"type": "http", "method": "GET", "path": "/"}, None, None)
    assert (seen, in_flight()) == ([1], 0)
