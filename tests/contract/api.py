"""A client of the HTTP API that believes nothing: every answer is held against what all answers must be.

It works against any base URL: a gateway in a cluster, or one service of it.
"""

import json as jsonlib
import re
from dataclasses import dataclass
from typing import Any, Self
from uuid import uuid4

import aiohttp
from yarl import URL

PREFIX = "/api/v1"
SECONDS = 30.0
ORDER = {
    "order_id", "user_id", "product_id", "quantity", "total_amount", "status", "version", "created_at", "updated_at",
}  # fmt: skip
PRODUCT = {"product_id", "name", "price", "stock", "version"}
TASK, TASK_AT_MOST = {"task_id", "type", "status", "attempts"}, {"created_at", "finished_at", "result", "error"}
PROBLEM = {"type", "title", "status", "detail", "instance", "retryable", "trace_id"}
MONEY = re.compile(r"\d{1,10}\.\d{2}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


@dataclass(frozen=True)
class Reply:
    """An answer, read whole; `headers` by lower-case name."""

    method: str
    path: str
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The document in the body."""
        return jsonlib.loads(self.body)

    @property
    def slug(self) -> str | None:
        """Which problem this is; None if it is none."""
        if self.headers.get("content-type") != "application/problem+json":
            return None
        return str(self.json["type"]).removeprefix("/problems/")

    @property
    def etag(self) -> str:
        """The entity tag, for If-Match."""
        return self.headers["etag"]

    @property
    def token(self) -> str:
        """The consistency token of a write."""
        return self.headers["x-consistency-token"]

    def __str__(self) -> str:
        """For a failed assertion."""
        return f"{self.method} {self.path} → {self.status} {self.headers} {self.body[:500]!r}"


class Api:
    """Calls below /api/v1 of one base URL."""

    def __init__(self, base: str) -> None:
        self.base = base.rstrip("/")

    async def __aenter__(self) -> Self:
        """Open the connections."""
        timeout = aiohttp.ClientTimeout(total=SECONDS)
        self._session = aiohttp.ClientSession(timeout=timeout, skip_auto_headers=("User-Agent", "Accept"))
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close them."""
        await self._session.close()

    async def call(
        self,
        method: str,
        path: str,
        json: Any = None,
        *,
        body: bytes | str | None = None,
        prefix: str = PREFIX,
        **headers: str,
    ) -> Reply:
        """Send a request (header names with _ for -) and hold the answer against what every answer must be."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if json is not None:
            body = jsonlib.dumps(json)
            named.setdefault("Content-Type", "application/json")
        url = URL(self.base + prefix + path, encoded=True)
        async with self._session.request(method, url, data=body, headers=named, allow_redirects=False) as response:
            content = await response.read()
            names = {name.lower(): value for name, value in response.headers.items()}
            reply = Reply(method, path, response.status, names, content)
        check(reply)
        return reply


def unique(kind: str) -> str:
    """Return a new identifier, so that runs never meet each other's data."""
    return f"{kind}-{uuid4().hex[:16]}"


def check(reply: Reply) -> None:
    """Fail unless the answer is of a kind that the API gives at all."""
    assert reply.headers.get("x-request-id"), reply
    assert reply.status != 500, reply
    if reply.status >= 400:
        _check_problem(reply)
    elif reply.method == "HEAD":
        assert reply.body == b"", reply
    elif reply.status == 202:
        _check_task(reply, reply.json)
        assert reply.headers["location"] == f"{PREFIX}/tasks/{reply.json['task_id']}", reply
        assert not {"etag", "x-consistency-token"} & reply.headers.keys(), reply
    elif reply.method in {"POST", "PATCH", "DELETE"}:
        _check_entity(reply, reply.json)
        assert reply.etag == f'"{reply.json["version"]}"', reply
        assert reply.token, reply


def _check_problem(reply: Reply) -> None:
    if reply.method == "HEAD":
        return
    assert reply.slug, reply
    problem = reply.json
    assert problem.keys() >= PROBLEM, reply
    assert problem.keys() <= PROBLEM | {"errors"}, reply
    assert problem["status"] == reply.status, reply
    assert isinstance(problem["retryable"], bool), reply
    assert re.fullmatch("[0-9a-f]{32}", problem["trace_id"]), reply
    for error in problem.get("errors", ()):
        assert error.keys() == {"pointer", "detail"}, reply
    if reply.status == 405:
        assert reply.headers.get("allow"), reply


def _check_entity(reply: Reply, entity: dict[str, Any]) -> None:
    assert entity.keys() in (ORDER, PRODUCT), reply
    amount = entity["total_amount"] if entity.keys() == ORDER else entity["price"]
    assert MONEY.fullmatch(amount), reply
    assert isinstance(entity["version"], int), reply
    assert entity["version"] < 2**53, reply
    if entity.keys() == ORDER:
        assert TIME.fullmatch(entity["created_at"]), reply
        assert TIME.fullmatch(entity["updated_at"]), reply


def _check_task(reply: Reply, task: dict[str, Any]) -> None:
    assert task.keys() >= TASK, reply
    assert task.keys() <= TASK | TASK_AT_MOST, reply
    assert task["status"] in {"queued", "running", "retrying", "succeeded", "dead"}, reply
