"""The hot reads as plain ASGI, in front of FastAPI, whose routing and validation cost several times the read itself.

It takes a GET only in its plain form: a well-formed id and, for a list, `limit` alone or followed by `cursor`.
Whatever else comes, wrong or merely unusual, goes on to FastAPI, which alone decides what is refused and how. Problems
are raised to whoever stands around both. So both doors answer the same, byte for byte; a test holds them to it.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from hcs_services.application import PREFIX, Rendered, Template
from hcs_services.identifiers import ID_MAX_LENGTH, is_id
from hcs_services.read_api import demand as demands
from hcs_services.read_api.demand import Demand
from hcs_services.read_api.reads import Reads
from hcs_services.read_api.responses import Responder, no_list, no_order, no_product
from hcs_services.settings import Settings

DEFAULT_LIMIT = 20
_ID = rf"[A-Za-z0-9._-]{{1,{ID_MAX_LENGTH}}}"
_PATH = re.compile(
    rf"{PREFIX}/(?:orders/(?P<order>[0-9A-Z]{{14}})|products/(?P<product>{_ID})|users/(?P<user>{_ID})/orders)"
)
_PAGE = re.compile(rb"|limit=(100|[1-9][0-9]?)(?:&cursor=([0-9A-Z]{14}))?")


_ROUTES = {
    "order": Template(f"{PREFIX}/orders/{{order_id}}"),
    "product": Template(f"{PREFIX}/products/{{product_id}}"),
    "user": Template(f"{PREFIX}/users/{{user_id}}/orders"),
}


class _Wish(NamedTuple):
    """What a request in its plain form asks for; `limit` and `cursor` are a list's."""

    kind: str
    name: str
    limit: int = DEFAULT_LIMIT
    cursor: str | None = None


class FastReads:
    """ASGI application in front of another."""

    def __init__(self, app: Any, settings: Settings, reads: Reads, respond: Responder) -> None:
        self._app = app
        self._settings = settings
        self._reads = reads
        self._respond = respond

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one ASGI scope; raises Problem."""
        wish = _wish(scope)
        if wish is None:
            await self._app(scope, receive, send)
            return
        scope["route"] = _ROUTES[wish.kind]
        status, headers, body = await self._read(wish, dict(reversed(scope["headers"])))  # of a repeated one the first
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _read(self, wish: _Wish, fields: dict[bytes, bytes]) -> Rendered:
        demand, held = self._demand(fields), _text(fields, b"if-none-match")
        if wish.kind == "product":
            return self._respond(await self._reads.product(wish.name, demand), held, no_product)
        if wish.kind == "user":
            page = await self._reads.orders_of(wish.name, wish.limit, wish.cursor, demand)
            return self._respond(page, held, no_list)
        order = await self._reads.order(wish.name, demand)
        if order is None:
            raise no_order()
        return self._respond(order, held, no_order)

    def _demand(self, fields: dict[bytes, bytes]) -> Demand:
        return demands.parse(
            token=_text(fields, b"x-consistency-token"),
            consistency=_text(fields, b"x-consistency"),
            cache_control=_text(fields, b"cache-control"),
            key=lambda: self._settings.signing_key("consistency"),
            shard=self._settings.shard,
        )


def _wish(scope: Any) -> _Wish | None:
    """What the request asks for, None where FastAPI has to see."""
    match = _PATH.fullmatch(scope["path"]) if scope["type"] == "http" and scope["method"] == "GET" else None
    if match is None:
        return None
    kind = str(match.lastgroup)
    if not is_id(match[kind]):
        return None
    if kind != "user":
        return _Wish(kind, match[kind])
    page = _PAGE.fullmatch(scope["query_string"])
    if page is None:
        return None
    return _Wish(kind, match[kind], int(page[1] or DEFAULT_LIMIT), page[2].decode() if page[2] else None)


def _text(fields: dict[bytes, bytes], name: bytes) -> str | None:
    value = fields.get(name)
    return None if value is None else value.decode("latin-1")
