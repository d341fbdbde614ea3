from __future__ import annotations

from typing import Annotated, Any

import pytest
from fastapi import Query
from pydantic import Field
from tests.unit.services.asgi import call

from hcs_services import application, models
from hcs_services.problem import PROBLEMS, documented
from hcs_services.settings import Settings


class Body(models.Body):
    quantity: models.Whole = Field(strict=True, ge=1, le=10)
    name: models.Line = "x"


@pytest.fixture
def app() -> Any:
    api, served = application.create("Test", "A test.", Settings(tier="test"))

    @api.post("/things", responses=documented("not-finished"))
    async def create(body: Body) -> dict[str, Any]:
        return body.model_dump()

    @api.get("/things")
    async def read(limit: Annotated[int, Query(ge=1, le=100)] = 20) -> dict[str, int]:
        return {"limit": limit}

    @api.get("/broken")
    async def broken() -> None:
        raise RuntimeError("the secret")

    return served


async def test_a_valid_body_reaches_its_route(app: Any) -> None:
    answer = await call(app, "POST", "/things", document={"quantity": 2.0})

    assert (answer.status, answer.json) == (200, {"quantity": 2, "name": "x"})


@pytest.mark.parametrize(
    ("document", "pointer"),
    [
        ({"quantity": "2"}, "/quantity"),
        ({"quantity": True}, "/quantity"),
        ({"quantity": 11}, "/quantity"),
        ({}, "/quantity"),
        ({"quantity": 1, "a/b~c": 1}, "/a~1b~0c"),
        ({"quantity": 1, "name": "a\nb"}, "/name"),
        ({"quantity": 1, "name": "\ud800"}, "/name"),
        ([], ""),
    ],
)
async def test_an_invalid_body_is_a_422_that_points_at_it(app: Any, document: Any, pointer: str) -> None:
    answer = await call(app, "POST", "/things", document=document)

    assert (answer.status, answer.json["type"]) == (422, "/problems/validation-failed")
    assert pointer in [error["pointer"] for error in answer.json["errors"]]


async def test_an_invalid_query_is_a_422(app: Any) -> None:
    answer = await call(app, "GET", "/things?limit=0")

    assert (answer.status, answer.json["errors"][0]["pointer"]) == (422, "/query/limit")


async def test_a_body_of_another_type_is_a_415(app: Any) -> None:
    answer = await call(app, "POST", "/things", body=b"{}", headers={"Content-Type": "text/plain"})

    assert answer.status == 415


async def test_a_body_that_is_not_json_is_a_400(app: Any) -> None:
    answer = await call(app, "POST", "/things", body=b"{", headers={"Content-Type": "application/json"})

    assert (answer.status, answer.json["type"]) == (400, "/problems/malformed-json")


@pytest.mark.parametrize("announced", [True, False])
async def test_a_body_over_64_kib_is_a_413(app: Any, announced: bool) -> None:
    headers = {"Content-Type": "application/json"} | ({"Content-Length": "70000"} if announced else {})

    answer = await call(app, "POST", "/things", body=b" " * 70_000, headers=headers, chunks=7)

    assert answer.status == 413


async def test_an_unknown_route_is_a_404_problem_whatever_is_sent(app: Any) -> None:
    answer = await call(app, "POST", "/nothing", body=b"\xff")

    assert (answer.status, answer.json["type"]) == (404, "/problems/route-not-found")


async def test_a_wrong_method_names_every_right_one(app: Any) -> None:
    answer = await call(app, "DELETE", "/things")

    assert (answer.status, answer.headers["allow"]) == (405, "GET, POST, HEAD")


async def test_a_trailing_slash_is_another_route(app: Any) -> None:
    answer = await call(app, "GET", "/things/")

    assert answer.status == 404


async def test_head_answers_as_get(app: Any) -> None:
    answer = await call(app, "HEAD", "/things")

    assert (answer.status, answer.body) == (200, b"")


async def test_an_unexpected_error_is_a_500_problem(app: Any) -> None:
    answer = await call(app, "GET", "/broken")

    assert (answer.status, answer.json["type"]) == (500, "/problems/internal-error")
    assert b"secret" not in answer.body


async def test_openapi_is_31_and_its_references_resolve(app: Any) -> None:
    document = (await call(app, "GET", "/openapi.json")).json

    assert document["openapi"] == "3.1.0"
    schemas = document["components"]["schemas"]
    assert {"ProblemDocument", "ProblemError", "Body"} == schemas.keys()
    conflict = document["paths"]["/things"]["post"]["responses"]["409"]["content"]["application/problem+json"]
    assert conflict["schema"] == {"$ref": "#/components/schemas/ProblemDocument"}
    assert conflict["examples"]["not-finished"]["value"]["status"] == 409
    assert "application/problem+json" in document["paths"]["/things"]["get"]["responses"]["422"]["content"]


def test_every_problem_has_a_client_or_server_status() -> None:
    assert all(400 <= kind.status < 600 for kind in PROBLEMS.values())
    assert [slug for slug, kind in PROBLEMS.items() if kind.status == 500] == ["internal-error"]
