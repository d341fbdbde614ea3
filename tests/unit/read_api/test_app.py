"""The HTTP face: statuses, header fields, problems."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.unit.read_api.servers import ORDER_ID, Got, Levels, ask, order_row, product_row

from hcs_services.cache import order_key
from hcs_services.identifiers import public_order_id
from hcs_services.read_api import app as read_app
from hcs_services.settings import Settings
from hcs_services.tokens import ConsistencyToken

pytestmark = pytest.mark.unit
GTID = "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5"
ORDER_PATH = f"/api/v1/orders/{ORDER_ID}"


class Api:
    def __init__(self, folder: Path) -> None:
        (folder / "tokens").mkdir()
        (folder / "tokens" / "consistency").write_text("a key")
        self.settings = Settings(HCS_CREDENTIALS_DIR=folder, HCS_TIER="read-api")
        self.levels = Levels()
        self.levels.cluster.commit(order_row(7), product_row(8))
        self.frozen = 0.0
        self.app = read_app.create(self.settings, self.levels.reads, lambda: self.frozen)

    async def get(self, path: str, **options: Any) -> Got:
        return await ask(self.app, path, **options)

    def token(self, version: int) -> str:
        return ConsistencyToken(0, GTID, {order_key(ORDER_ID): version}).encode(b"a key")


@pytest.fixture
def api(tmp_path: Path) -> Api:
    return Api(tmp_path)


async def test_an_order_comes_with_its_version_as_etag_its_age_and_its_source(api: Api) -> None:
    got = await api.get(ORDER_PATH)
    assert (got.status, got.headers["etag"], got.headers["x-data-source"]) == (200, '"7"', "replica")
    assert got.headers["age"].isdigit()
    assert tuple(got.json()[name] for name in ("order_id", "total_amount", "version")) == (ORDER_ID, "39.80", 7)


async def test_a_product_is_found(api: Api) -> None:
    got = (await api.get("/api/v1/products/book-1")).json()
    assert (got["product_id"], got["price"]) == ("book-1", "19.90")


async def test_a_version_that_the_client_has_is_a_304_from_the_cache_alone(api: Api) -> None:
    await api.get(ORDER_PATH)
    before = api.levels.cluster.replica.statements
    got = await api.get(ORDER_PATH, if_none_match='"7"')
    assert (304, b"", '"7"', before) == (
        got.status,
        got.body,
        got.headers["etag"],
        api.levels.cluster.replica.statements,
    )


async def test_head_is_get_without_its_body(api: Api) -> None:
    got = await api.get(ORDER_PATH, method="HEAD")
    assert (got.status, got.body, got.headers["etag"]) == (200, b"", '"7"')


@pytest.mark.parametrize(
    ("path", "slug"),
    [
        (f"/api/v1/orders/{public_order_id(5)}", "order-not-found"),
        ("/api/v1/orders/x", "order-not-found"),
        ("/api/v1/products/none", "product-not-found"),
        ("/api/v1/products/not%20one", "product-not-found"),
        ("/api/v1/products/..", "product-not-found"),
        ("/api/v1/nothing", "route-not-found"),
    ],
)
async def test_an_absent_thing_is_a_404(api: Api, path: str, slug: str) -> None:
    got = await api.get(path)
    assert (404, f"/problems/{slug}") == (got.status, got.json()["type"])


async def test_a_wrong_method_names_the_right_ones(api: Api) -> None:
    got = await api.get(ORDER_PATH, method="POST")
    assert (got.status, got.headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=many"])
async def test_a_limit_out_of_bounds_is_a_422(api: Api, query: str) -> None:
    assert (await api.get("/api/v1/users/ada/orders", query=query)).status == 422


async def test_a_malformed_cursor_is_a_400(api: Api) -> None:
    got = await api.get("/api/v1/users/ada/orders", query="cursor=zzz")
    assert (got.status, got.json()["type"]) == (400, "/problems/malformed-cursor")


@pytest.mark.parametrize("user", ["a b", ".", ".."])
async def test_an_impossible_user_is_a_422(api: Api, user: str) -> None:
    assert (await api.get(f"/api/v1/users/{user}/orders")).status == 422


async def test_a_users_orders_are_listed(api: Api) -> None:
    got = await api.get("/api/v1/users/ada/orders")
    assert ([item["order_id"] for item in got.json()["items"]], got.json()["next_cursor"]) == ([ORDER_ID], None)


async def test_a_malformed_token_is_a_400(api: Api) -> None:
    got = await api.get(ORDER_PATH, x_consistency_token="forged")
    assert (got.status, got.json()["type"]) == (400, "/problems/malformed-token")


async def test_a_token_that_cannot_be_met_is_a_503_that_blames_nobody(api: Api) -> None:
    got = await api.get(ORDER_PATH, x_consistency_token=api.token(9))
    assert (got.status, got.json()["retryable"]) == (503, True)
    assert "retry-after" not in got.headers, "the gateway would take the read API for one in trouble"


async def test_a_relaxed_answer_says_so(api: Api) -> None:
    got = await api.get(ORDER_PATH, x_consistency_token=api.token(9), x_consistency="relaxed")
    assert (got.status, got.headers["x-consistency"], got.headers["etag"]) == (200, "relaxed", '"7"')


async def test_no_cache_reads_the_primary(api: Api) -> None:
    assert (await api.get(ORDER_PATH, cache_control="no-cache")).headers["x-data-source"] == "primary"


async def test_while_there_is_no_primary_the_answer_says_for_how_long(api: Api) -> None:
    api.frozen = 12.7
    assert (await api.get(ORDER_PATH)).headers["x-data-frozen"] == "12"


async def test_with_a_primary_nothing_is_said_of_frozen_data(api: Api) -> None:
    assert "x-data-frozen" not in (await api.get(ORDER_PATH)).headers


@pytest.mark.parametrize("status", [304, 404])
async def test_what_is_no_document_says_for_how_long_there_is_no_primary_too(api: Api, status: int) -> None:
    api.frozen = 12.7
    path = ORDER_PATH if status == 304 else f"/api/v1/orders/{public_order_id(5)}"
    got = await api.get(path, if_none_match='"7"')
    assert (got.status, got.headers["x-data-frozen"]) == (status, "12")


async def test_replicas_that_are_too_old_without_a_primary_are_a_503_and_the_cache_goes_on(api: Api) -> None:
    await api.get(ORDER_PATH)
    api.levels.cluster.too_old = api.levels.cluster.primary.down = True

    assert (await api.get(ORDER_PATH)).status == 200
    got = await api.get("/api/v1/products/book-1")
    assert (got.status, got.json()["type"]) == (503, "/problems/database-unavailable")
    assert got.headers["content-type"] == "application/problem+json"
    assert got.headers["retry-after"] == "1"


async def test_the_document_of_the_api_names_every_route_and_its_errors(api: Api) -> None:
    paths = (await api.get("/openapi.json")).json()["paths"]
    assert {"/api/v1/orders/{order_id}", "/api/v1/products/{product_id}", "/api/v1/users/{user_id}/orders"} == set(
        paths
    )
    assert {"200", "304", "400", "404", "503"} <= set(paths["/api/v1/orders/{order_id}"]["get"]["responses"])
