"""The routes of the async API: thin, one function each, over `Acceptance` and `TaskResults`."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Annotated, Any, TypeVar

from fastapi import FastAPI, Header, Path, Response

from hcs_services.application import PREFIX
from hcs_services.async_api.acceptance import Acceptance, Request
from hcs_services.async_api.task_results import TaskResults
from hcs_services.database.answers import as_problem
from hcs_services.database.errors import DatabaseFailure
from hcs_services.idempotency import parse_header
from hcs_services.models import Body, NewNotification, NewPayment, NewReport, NewSync, Task
from hcs_services.problem import documented, problem

Answer = TypeVar("Answer")

IdempotencyKey = Annotated[
    str | None,
    Header(alias="Idempotency-Key", description="1 to 255 visible ASCII characters; the same key makes one task."),
]
TaskIdentifier = Annotated[str, Path(description="The id of the 202 that accepted it.")]
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


def _accepting(*more: str) -> dict[str, Any]:
    return {
        "status_code": 202,
        "response_model": Task,
        "response_model_exclude_none": True,
        "responses": {**documented(*_ACCEPT, *more), **_HEADERS},
    }


def add(app: FastAPI, acceptance: Acceptance, results: TaskResults, *, object_store: bool) -> None:
    """Add every route to `app`; `object_store` says whether one is configured."""
    _add_messages(app, acceptance)
    _add_data(app, acceptance, object_store=object_store)
    _add_tasks(app, results)


def _add_messages(app: FastAPI, acceptance: Acceptance) -> None:
    @app.post(f"{PREFIX}/notifications", summary="Send a mail", **_accepting())
    async def notify(body: NewNotification, response: Response, key: IdempotencyKey = None) -> Any:
        request = Request("send_email", _payload(body), "POST /notifications", body.user_id)
        return await _accept(acceptance, request, key, response)

    @app.post(f"{PREFIX}/payments", summary="Pay an order", **_accepting())
    async def pay(body: NewPayment, response: Response, key: IdempotencyKey = None) -> Any:
        request = Request("process_payment", _payload(body), "POST /payments", body.order_id)
        return await _accept(acceptance, request, key, response)


def _add_data(app: FastAPI, acceptance: Acceptance, *, object_store: bool) -> None:
    @app.post(f"{PREFIX}/reports", summary="Report a user's orders of a period", **_accepting())
    async def report(body: NewReport, response: Response, key: IdempotencyKey = None) -> Any:
        request = Request("generate_report", _payload(body), "POST /reports", body.user_id)
        return await _accept(acceptance, request, key, response)

    @app.post(f"{PREFIX}/sync", summary="Export changed orders", **_accepting("object-store-not-configured"))
    async def sync(body: NewSync, response: Response, key: IdempotencyKey = None) -> Any:
        if not object_store:
            raise problem("object-store-not-configured", "This stack has no object store to sync to.")
        request = Request("sync_data", _payload(body), "POST /sync", "")
        return await _accept(acceptance, request, key, response)


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


async def _accept(acceptance: Acceptance, request: Request, key: str | None, response: Response) -> dict[str, Any]:
    accepted = await _or_problem(acceptance.accept(request, parse_header(key)))
    response.headers["Location"] = f"{PREFIX}/tasks/{accepted.document['task_id']}"
    if accepted.replayed:
        response.headers["Idempotency-Replayed"] = "true"
    return accepted.document


async def _or_problem(answer: Awaitable[Answer]) -> Answer:
    try:
        return await answer
    except DatabaseFailure as error:
        raise as_problem(error) from error


def _payload(body: Body) -> dict[str, Any]:
    return body.model_dump(mode="json", by_alias=True)
