"""The way of a request through the gateway: route, read, limit, break or call, stream the answer back."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from hcs_services import request_context
from hcs_services.gateway import body, headers, metrics
from hcs_services.gateway.body import BodyTooLarge, ClientLeft
from hcs_services.gateway.calling import Caller
from hcs_services.gateway.client_address import Client, TrustedProxies
from hcs_services.gateway.config import GatewayConfig, RouteConfig
from hcs_services.gateway.outcome import Answer
from hcs_services.gateway.pool.failures import Broken
from hcs_services.gateway.presence import Peer, WhileConnected
from hcs_services.gateway.rate_limit import Quota, RateLimiter, address_key, credential_key
from hcs_services.gateway.routing import MethodNotAllowed
from hcs_services.gateway.shared_limit import SharedLimit
from hcs_services.gateway.upstream import Call, Upstream
from hcs_services.http_conventions import begin_request, header, unexpected
from hcs_services.http_cycle import PEER
from hcs_services.problem import Problem, problem, problem_response

DEFAULT_TIMEOUT_MS = 15_000
MAX_TIMEOUT_MS = 60_000
STALL_SECONDS = 15.0
"""Once an answer has begun: the longest time the upstream may take to give a piece of it, and the client to take it."""

log = structlog.get_logger(__name__)
Fields = list[tuple[bytes, bytes]]


@dataclass(slots=True)
class Exchange:
    """One request and what is known of it so far; `fields` go onto whatever it is answered with."""

    scope: Any
    receive: Any
    send: Any
    peer: Peer
    fields: Fields
    begun: bool = False
    ended: bool = False

    async def start(self, status: int, fields: Fields) -> None:
        """Send the answer's header."""
        self.begun = True
        await self.send({"type": "http.response.start", "status": status, "headers": [*fields, *self.fields]})

    async def piece(self, content: bytes, *, last: bool) -> None:
        """Send a part of the answer's body."""
        self.ended = last
        await self.send({"type": "http.response.body", "body": content, "more_body": not last})

    async def refuse(self, refusal: Problem) -> None:
        """Answer with a problem of the gateway's own."""
        metrics.REFUSED.labels(refusal.slug).inc()
        status, fields, document = problem_response(refusal, instance=self.scope["path"])
        await self.start(status, fields)
        await self.piece(document, last=True)


class Proxy:
    """ASGI application for every path that is not the gateway's own."""

    def __init__(
        self,
        config: GatewayConfig,
        upstreams: Mapping[str, Upstream],
        shared: SharedLimit | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        limit = config.rate_limit
        self._limit = limit
        self._shared = shared
        self._global = frozenset(id(route) for route in config.routes if config.counts_globally(route))
        self._router = config.router()
        self._proxies = TrustedProxies(limit.trusted_proxies)
        self.limiter = RateLimiter(Quota.share(limit.capacity, limit.refill_per_second, config.replicas))
        self.caller = Caller(config, upstreams, clock)
        self._clock = clock

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request; what goes wrong after the answer began can only break the connection."""
        seconds = begin_request(scope, timeout_ms=DEFAULT_TIMEOUT_MS, max_timeout_ms=MAX_TIMEOUT_MS)
        request_id = (request_context.request_id() or "").encode()
        exchange = Exchange(scope, receive, send, scope["extensions"][PEER], [(b"x-request-id", request_id)])
        try:
            await self._serve(exchange, seconds)
        except ClientLeft:
            log.info("the client left, or stopped reading, before its answer was whole")
        except BodyTooLarge:
            metrics.REFUSED.labels("body-too-large").inc()
            await body.answer_too_large(scope, receive, send, exchange.fields)
        except Problem as refusal:
            await exchange.refuse(refusal)
        except Exception:
            if exchange.begun:
                raise
            await exchange.refuse(unexpected(scope))

    async def _serve(self, exchange: Exchange, seconds: float) -> None:
        scope = exchange.scope
        route = self._router.match(scope["method"], scope["raw_path"])
        if isinstance(route, RouteConfig):
            scope["state"]["route"] = route.path
        content = await body.read(scope, exchange.receive, seconds)
        if route is None:
            raise problem("route-not-found", "No route has this path.")
        if isinstance(route, MethodNotAllowed):
            allow = ", ".join(route.allow)
            raise problem("method-not-allowed", f"This path takes {allow}.", headers={"Allow": allow})
        client = self._client(scope)
        await self._take_token(exchange, client, route)
        call = self._call(scope, client, route, content)
        with WhileConnected(exchange.peer, lambda: exchange.ended):
            await self._forward(exchange, route, call)

    async def _forward(self, exchange: Exchange, route: RouteConfig, call: Call) -> None:
        answer = await self.caller.call(route, call)
        try:
            status = answer.response.status
            await exchange.start(status, headers.to_client(answer.response.fields, route.upstream, status))
            await _stream(answer, exchange)
        except (Broken, TimeoutError) as error:
            # No last chunk is sent, so the server closes the connection: the client sees that the answer is not whole.
            self.caller.broke_off(answer)
            log.warning("an answer broke off", upstream=route.upstream, error=type(error).__name__)
        finally:
            await answer.close()

    async def _take_token(self, exchange: Exchange, client: Client, route: RouteConfig) -> None:
        if not self._limit.enabled or route.cost == 0:
            return
        credential = header(exchange.scope, self._limit.header.encode()) if self._limit.header else None
        key = credential_key(credential.encode()) if credential else address_key(client.address)
        if self._shared is not None and id(route) in self._global:
            verdict, fields = await self._shared.take(key, route.cost)
        else:
            verdict = self.limiter.take(key, route.cost, self._clock())
            fields = self.limiter.fields(verdict)
        exchange.fields += fields
        if not verdict.allowed:
            raise problem("rate-limited", "This client's quota is used up.", retry_after=verdict.retry_after)

    def _client(self, scope: Any) -> Client:
        fields, peer = scope["headers"], scope["client"]
        return self._proxies.client(
            peer[0] if peer else None,
            headers.values(fields, b"x-forwarded-for"),
            headers.values(fields, b"x-forwarded-proto"),
            (header(scope, b"host") or ""),
        )

    def _call(self, scope: Any, client: Client, route: RouteConfig, content: bytes) -> Call:
        trace = request_context.trace()
        own = {
            "Host": self.caller.authority(route),
            "X-Request-Id": request_context.request_id() or "",
            "traceparent": trace.traceparent if trace else "",
        }
        target = scope["raw_path"].decode("ascii")
        if scope["query_string"]:
            target += "?" + scope["query_string"].decode("ascii")
        try:
            return Call(scope["method"], target, headers.to_upstream(scope["headers"], client, own), content)
        except headers.MalformedHeader as error:
            raise problem("malformed-request", f"{error}.") from error


async def _stream(answer: Answer, exchange: Exchange) -> None:
    """Pass the body on piece by piece; a client that reads slowly slows the upstream down, within the stall limit.

    Reading and sending each have that time: only the upstream answers for a piece that does not come. Raises
    TimeoutError then, ClientLeft when the client takes nothing any more.
    """
    response, sending, now = answer.response, False, asyncio.get_running_loop().time
    if response.has_piece and exchange.peer.takes:  # most answers are whole by now: nothing waits, nothing is timed
        await exchange.piece(await response.piece(), last=response.at_end)
        if exchange.ended:
            return
    try:
        async with asyncio.timeout(STALL_SECONDS) as stall:
            while True:
                waits = not response.has_piece
                piece = await response.piece()
                if waits:
                    stall.reschedule(now() + STALL_SECONDS)
                sending = True
                await exchange.piece(piece, last=response.at_end)
                if exchange.ended:
                    return
                sending = False
                stall.reschedule(now() + STALL_SECONDS)
    except TimeoutError:
        if sending:
            raise ClientLeft from None
        raise
