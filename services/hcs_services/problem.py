"""Errors as RFC 9457 problem documents: one catalogue, one exception, one way to answer.

`Problem` is what services raise; whoever holds the response turns it into `application/problem+json`. The catalogue
is documentation too: OpenAPI answers and the reference are generated from it, so a slug exists once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from hcs_services import request_context

MEDIA_TYPE = "application/problem+json"
OVERLOADED = b"x-overloaded"
"""The field that says of a 503 that who sent it is well and refuses only what is too much."""


class Kind(NamedTuple):
    """What a slug always means: its status, its title, and whether the same request may be repeated.

    `unsettled`: the request may have been carried out all the same, so only a harmless one may be repeated.
    """

    status: int
    title: str
    retryable: bool = False
    unsettled: bool = False


PROBLEMS: dict[str, Kind] = {
    "malformed-request": Kind(400, "The request could not be parsed"),
    "malformed-json": Kind(400, "The body is not acceptable JSON"),
    "malformed-cursor": Kind(400, "The cursor is not one of ours"),
    "malformed-idempotency-key": Kind(400, "The Idempotency-Key is malformed"),
    "malformed-token": Kind(400, "The consistency token is malformed or badly signed"),
    "unauthorized": Kind(401, "Credentials are missing or wrong"),
    "forbidden": Kind(403, "Not allowed"),
    "route-not-found": Kind(404, "No such route"),
    "product-not-found": Kind(404, "No such product"),
    "order-not-found": Kind(404, "No such order"),
    "task-not-found": Kind(404, "No such task"),
    "result-not-found": Kind(404, "The task has no result"),
    "method-not-allowed": Kind(405, "Method not allowed"),
    "request-timeout": Kind(408, "The request came too slowly", retryable=True),
    "product-exists": Kind(409, "The product exists"),
    "insufficient-stock": Kind(409, "Not enough stock"),
    "illegal-transition": Kind(409, "The order cannot go to that status"),
    "request-in-flight": Kind(409, "A request with this Idempotency-Key is in flight", retryable=True),
    "not-finished": Kind(409, "The task is not finished", retryable=True),
    "task-dead": Kind(409, "The task failed for good"),
    "precondition-failed": Kind(412, "The entity has another version"),
    "body-too-large": Kind(413, "The body is too large"),
    "unsupported-media-type": Kind(415, "The content type is not supported"),
    "validation-failed": Kind(422, "The request is well-formed but not valid"),
    "amount-mismatch": Kind(422, "total_amount is not price times quantity"),
    "amount-too-large": Kind(422, "The total is too large"),
    "stock-limit": Kind(422, "The stock would be too large"),
    "idempotency-key-reused": Kind(422, "The Idempotency-Key was used with another body"),
    "precondition-required": Kind(428, "If-Match is required"),
    "rate-limited": Kind(429, "Too many requests", retryable=True),
    "headers-too-large": Kind(431, "The header is too large"),
    "internal-error": Kind(500, "Internal error"),
    "bad-gateway": Kind(502, "The upstream answered badly", retryable=True),
    "database-unavailable": Kind(503, "The database is not available", retryable=True),
    "outcome-unknown": Kind(503, "The outcome is not known yet", retryable=True, unsettled=True),
    "queue-unavailable": Kind(503, "The queue did not confirm", retryable=True, unsettled=True),
    "object-store-not-configured": Kind(503, "No object store is configured"),
    "consistency-unavailable": Kind(503, "Nothing new enough can answer now", retryable=True),
    "overloaded": Kind(503, "Too much at once", retryable=True),
    "circuit-open": Kind(503, "The upstream is failing", retryable=True),
    "upstream-unavailable": Kind(503, "The upstream is not available", retryable=True),
    "deadline-exceeded": Kind(504, "The deadline passed", retryable=True, unsettled=True),
    "upstream-timeout": Kind(504, "The upstream did not answer in time", retryable=True),
}


class Problem(Exception):
    """An answer that is an error. `detail` is one sentence for a person; `errors` are `{pointer, detail}` items.

    `retry_after` is in whole seconds and becomes the `Retry-After` header.
    """

    def __init__(
        self,
        slug: str,
        status: int,
        detail: str,
        *,
        retryable: bool = False,
        retry_after: int | None = None,
        errors: Sequence[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.slug = slug
        self.status = status
        self.detail = detail
        self.retryable = retryable
        self.retry_after = retry_after
        self.errors = tuple(errors)
        self.headers = dict(headers or {})


def problem(
    slug: str,
    detail: str,
    *,
    retry_after: int | None = None,
    errors: Sequence[Mapping[str, str]] = (),
    headers: Mapping[str, str] | None = None,
) -> Problem:
    """A `Problem` with the status and retryability that the catalogue gives its slug."""
    kind = PROBLEMS[slug]
    return Problem(
        slug,
        kind.status,
        detail,
        retryable=kind.retryable,
        retry_after=retry_after,
        errors=errors,
        headers=headers,
    )


def problem_document(error: Problem, *, instance: str) -> dict[str, Any]:
    """The RFC 9457 members, in the order of the HTTP API's reference."""
    kind = PROBLEMS.get(error.slug)
    document: dict[str, Any] = {
        "type": f"/problems/{error.slug}",
        "title": kind.title if kind else error.slug.replace("-", " ").capitalize(),
        "status": error.status,
        "detail": error.detail,
        "instance": instance,
        "retryable": error.retryable and (request_context.harmless() or not (kind and kind.unsettled)),
        "trace_id": request_context.trace_id(),
    }
    if error.errors:
        document["errors"] = [dict(item) for item in error.errors]
    return document


def problem_response(error: Problem, *, instance: str) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """Status, raw ASGI headers and body: what both FastAPI handlers and plain ASGI code can send."""
    # ASCII escapes: a lone surrogate in a path or an echoed value must not break the encoding of its own error
    body = json.dumps(problem_document(error, instance=instance), ensure_ascii=True).encode("ascii")
    headers = [
        (b"content-type", MEDIA_TYPE.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    if error.retry_after is not None:
        headers.append((b"retry-after", str(error.retry_after).encode()))
    if error.slug == "overloaded":
        headers.append((OVERLOADED, b"true"))
    headers += [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in error.headers.items()]
    return error.status, headers, body


async def send_problem(send: Any, error: Problem, *, instance: str) -> None:
    """Answer over a bare ASGI `send` that has not started its response."""
    status, headers, body = problem_response(error, instance=instance)
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def documented(*slugs: str) -> dict[int | str, dict[str, Any]]:
    """OpenAPI `responses` for a route that can answer these problems: one entry a status, one example a slug."""
    responses: dict[int | str, dict[str, Any]] = {}
    for slug in slugs:
        kind = PROBLEMS[slug]
        entry = responses.setdefault(
            kind.status,
            {
                "description": kind.title,
                "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}, "examples": {}}},
            },
        )
        example = problem_document(problem(slug, f"{kind.title}."), instance="/api/v1/…")
        entry["content"][MEDIA_TYPE]["examples"][slug] = {
            "value": example | {"trace_id": "0af7651916cd43dd8448eb211c80319c"}
        }
    return responses
