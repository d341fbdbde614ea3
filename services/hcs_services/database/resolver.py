"""Addresses behind a headless Service's name."""

from __future__ import annotations

import asyncio
import ipaddress
import socket

_SECONDS = 2.0


async def resolve(host: str) -> list[str]:
    """All addresses of `host`, sorted; empty if the name has none now. Raises OSError if DNS itself does not answer."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        pass
    else:
        return [host]
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(_SECONDS):
            found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        if error.errno in {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}:
            return []
        raise
    return sorted({str(entry[4][0]) for entry in found})
