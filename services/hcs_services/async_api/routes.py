"""The routes of the async API: thin, one function each, over `Acceptance` and `TaskResults`.

What the POSTs take and answer is said once, in `posts`, for FastAPI's routes and for `FastPosts` in front of them.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, TypeVar

from fastapi import FastAPI, Header, Path, Response

from hcs_services.application import PREFIX, Rendered, json_answer, raw_response
from hcs_services.async_api.acceptance import Acceptance, Request
from hcs_services.async_api.task_results import TaskResults
from hcs_services.database.answers import as_problem
from hcs_services.database.errors import DatabaseFailure
from hcs_services.fast_posts import Post
from hcs_services.idempotency import parse_header
from hcs_services.models import Body, NewNotification, NewPayment, NewReport, NewSync, Task
from hcs_services.problem import documented, problem

Answer = TypeVar("Answer")

IdempotencyKey = Annotated[
    str | None,
    Header(alias="Idempotency-Key", description="1 to 255 visible ASCII characters; the same key makes one task."),
]
TaskIdentifier = Annotated[str, Path(description="The id of the 202 that accepted it.")]
_NOTIFICATIONS, _PAYMENTS = f"{PREFIX}/notifications", f"{PREFIX}/payments"
_REPORTS, _SYNC = f"{PREFIX}/reports", f"{PREFIX}/sync"
_EVERYWHERE = ("malformed-json", "body-too-large", "unsupported-media-type", "validation-failed")
_ACCEPT = (
    *_EVERYWHERE,
    "malformed-idempotency-key",
    "request-in-flight",
    "idempotency-key-reused",
    "queue-unavailable",
    "database-unavailable",
    "outcome-unknown",
    "deadline-exceeded",
)
_HEADERS = {
    202: {
        "description": "Accepted: the broker has confirmed the task.",
        "headers": {
            "Location": {"description": "Where the task is.", "schema": {"type": "string"}},
            "Idempotency-Replayed": {"description": "true for a repeat.", "schema": {"type": "string"}},
        },
    }
}


def _documented(*more: str) -> dict[str, Any]:
    return {
        "status_code": 202,
        "response_model": Task,
        "responses": {**documented(*_ACCEPT, *more), **_HEADERS},
    }


def posts(acceptance: Acceptance, *, object_store: bool) -> dict[str, Post]:
    """Every POST by its path; `object_store` says whether one is configured."""

    def notification(body: NewNotification) -> Request:
        return Request("send_email", _payload(body), "POST /notifications", body.user_id)

    def payment(body: NewPayment) -> Request:
        return Request("process_payment", _payload(body), "POST /payments", body.order_id)

    def report(body: NewReport) -> Request:
        return Request("generate_report", _payload(body), "POST /reports", body.user_id)

    def sync(body: NewSync) -> Request:
        if not object_store:
            raise problem("object-store-not-configured", "This stack has no object store to sync to.")
        return Request("sync_data", _payload(body), "POST /sync", "")

    return {
        _NOTIFICATIONS: Post(NewNotification, _accepting(acceptance, notification)),
        _PAYMENTS: Post(NewPayment, _accepting(acceptance, payment)),
        _REPORTS: Post(NewReport, _accepting(acceptance, report)),
        _SYNC: Post(NewSync, _accepting(acceptance, sync)),
    }


def _accepting(acceptance: Acceptance, request_of: Callable[[Any], Request]) -> Callable[..., Awaitable[Rendered]]:
    async def answer(body: Any, key: str | None) -> Rendered:
        accepted = await _or_problem(acceptance.accept(request_of(body), parse_header(key)))
        headers = {"Location": f"{PREFIX}/tasks/{accepted.document['task_id']}"}
        if accepted.replayed:
            headers["Idempotency-Replayed"] = "true"
        return json_answer(202, headers, json.dumps(accepted.document, separators=(",", ":")).encode())

    return answer


def add(app: FastAPI, accepted: Mapping[str, Post], results: TaskResults) -> None:
    """Add every route to `app`; `accepted` are what `posts` gave."""
    _add_messages(app, accepted)
    _add_data(app, accepted)
    _add_tasks(app, results)


def _add_messages(app: FastAPI, accepted: Mapping[str, Post]) -> None:
    @app.post(_NOTIFICATIONS, summary="Send a mail", **_documented())
    async def notify(body: NewNotification, key: IdempotencyKey = None) -> Response:
        return raw_response(*await accepted[_NOTIFICATIONS].answer(body, key))

    @app.post(_PAYMENTS, summary="Pay an order", **_documented())
    async def pay(body: NewPayment, key: IdempotencyKey = None) -> Response:
        return raw_response(*await accepted[_PAYMENTS].answer(body, key))


def _add_data(app: FastAPI, accepted: Mapping[str, Post]) -> None:
    @app.post(_REPORTS, summary="Report a user's orders of a period", **_documented())
    async def report(body: NewReport, key: IdempotencyKey = None) -> Response:
        return raw_response(*await accepted[_REPORTS].answer(body, key))

    @app.post(_SYNC, summary="Export changed orders", **_documented("object-store-not-configured"))
    async def sync(body: NewSync, key: IdempotencyKey = None) -> Response:
        return raw_response(*await accepted[_SYNC].answer(body, key))


def _add_tasks(app: FastAPI, results: TaskResults) -> None:
    @app.get(
        f"{PREFIX}/tasks/{{task_id}}",
        summary="What became of a task",
        response_model=Task,
        response_model_exclude_none=True,
        responses=documented("task-not-found", "database-unavailable", "deadline-exceeded"),
    )
    async def task(task_id: TaskIdentifier, response: Response) -> Any:
        response.headers["Cache-Control"] = "no-store"
        return await _or_problem(results.task(task_id))

    @app.get(
        f"{PREFIX}/tasks/{{task_id}}/result",
        summary="A report as CSV, or a sync's manifest",
        response_class=Response,
        responses={
            **documented(
                "task-not-found",
                "result-not-found",
                "not-finished",
                "task-dead",
                "object-store-not-configured",
                "upstream-unavailable",
                "database-unavailable",
                "deadline-exceeded",
            ),
            200: {
                "description": "The result.",
                "content": {
                    "text/csv": {"schema": {"type": "string"}},
                    "application/json": {"schema": {"type": "object"}},
                },
            },
        },
    )
    async def result(task_id: TaskIdentifier) -> Response:
        found = await _or_problem(results.result(task_id))
        return Response(found.content, media_type=found.media_type, headers={"Cache-Control": "no-store"})


async def _or_problem(answer: Awaitable[Answer]) -> Answer:
    try:
        return await answer
    except DatabaseFailure as error:
        raise as_problem(error) from error


def _payload(body: Body) -> dict[str, Any]:
    return body.model_dump(mode="json", by_alias=True)
