"""Which pods an upstream has: the address records of its headless Service, asked for every two seconds.

An answer without addresses empties the upstream; no answer (the DNS server is away) leaves it as it was, for pods
outlive a DNS outage.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence

import structlog

from hcs_services.gateway.upstream import Upstream

EVERY_SECONDS = 2.0
NO_ADDRESS = frozenset({socket.EAI_NONAME, socket.EAI_NODATA})

log = structlog.get_logger(__name__)

Resolve = Callable[[str, int], Awaitable[frozenset[str]]]


class NoAnswer(Exception):
    """DNS could not be asked; nothing is known about the name."""


async def resolve(host: str, port: int) -> frozenset[str]:
    """Return the addresses of a name; empty if it has none. Raises NoAnswer."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        if error.errno in NO_ADDRESS:
            return frozenset()
        raise NoAnswer(f"{host}: {error.strerror}") from error
    return frozenset(str(address[0]) for *_, address in found)


async def look(upstreams: Sequence[Upstream], resolve: Resolve) -> None:
    """Ask once for every upstream, at the same time."""
    answers = await asyncio.gather(*(resolve(each.host, each.port) for each in upstreams), return_exceptions=True)
    for upstream, answer in zip(upstreams, answers, strict=True):
        if isinstance(answer, frozenset):
            await upstream.update(answer)
        elif isinstance(answer, NoAnswer):
            log.warning("DNS does not answer, keeping the endpoints", upstream=upstream.name, error=str(answer))
        else:
            raise answer


async def follow(upstreams: Sequence[Upstream], resolve: Resolve, every: float) -> None:
    """Keep the upstreams up to date for ever."""
    while True:
        await look(upstreams, resolve)
        await asyncio.sleep(every)
