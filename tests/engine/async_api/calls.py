"""The calls that the tests make, in their own words."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any

import aiohttp
from tests.engine.worker.task_stack import Process, TaskStack


@dataclass(frozen=True)
class Answer:
    """One HTTP answer."""

    status: int
    headers: Any
    body: Any


@dataclass(frozen=True)
class Calls:
    """HTTP to the async API, the sink and the stub."""

    http: aiohttp.ClientSession
    api: Process
    stack: TaskStack

    async def post(self, path: str, body: object, key: str | None = None) -> Answer:
        headers = {} if key is None else {"Idempotency-Key": key}
        return await self._call("POST", f"{self.api.url()}/api/v1{path}", json=body, headers=headers)

    async def get(self, path: str) -> Answer:
        return await self._call("GET", f"{self.api.url()}/api/v1{path}")

    async def write(
        self, process: Process, method: str, path: str, body: object, headers: dict[str, str] | None = None
    ) -> Answer:
        """A call of the write API."""
        return await self._call(method, f"{process.url()}/api/v1{path}", json=body, headers=headers)

    async def notify(self, to: str, key: str | None = None) -> Answer:
        return await self.post("/notifications", {"user_id": "ada", "to": to, "subject": "Hello", "body": "There"}, key)

    async def until_finished(self, answer: Answer, seconds: float = 30) -> dict[str, Any]:
        """The accepted task once it is succeeded or dead."""
        assert answer.status == 202, answer
        until = time.monotonic() + seconds
        while True:
            task: dict[str, Any] = (await self.get(f"/tasks/{answer.body['task_id']}")).body
            if task["status"] in ("succeeded", "dead"):
                return task
            assert time.monotonic() < until, f"not finished in time: {task}"
            await asyncio.sleep(0.05)

    async def messages(self, to: str) -> list[dict[str, Any]]:
        return await self._messages({"to": to})

    async def messages_of(self, domain: str) -> list[dict[str, Any]]:
        return await self._messages({"domain": domain})

    async def _messages(self, of: dict[str, str]) -> list[dict[str, Any]]:
        assert self.stack.sink is not None
        found: list[dict[str, Any]] = (await self._call("GET", self.stack.sink.url() + "/messages", params=of)).body
        return found

    async def charges(self, order_id: str) -> list[dict[str, Any]]:
        assert self.stack.stub is not None
        listed = (await self._call("GET", self.stack.stub.url() + "/charges")).body
        return [charge for charge in listed if charge["order_id"] == order_id]

    async def admin(self, process: Process, method: str, path: str, **options: Any) -> Answer:
        return await self._call(method, process.url("admin") + path, **options)

    async def _call(self, method: str, url: str, **options: Any) -> Answer:
        async with self.http.request(method, url, **options) as answer:
            raw = await answer.read()
            is_json = "json" in answer.headers.get("Content-Type", "")
            body = await answer.json(content_type=None) if is_json else raw.decode()
            return Answer(answer.status, answer.headers, body)


def address(kind: str = "a") -> str:
    return f"{kind}{secrets.token_hex(6)}@customers.example"


def pay(calls: Calls, order_id: str, token: str = "tok_ok", key: str | None = None) -> Awaitable[Answer]:
    body = {"order_id": order_id, "amount": "19.90", "currency": "EUR", "method_token": token}
    return calls.post("/payments", body, key)
