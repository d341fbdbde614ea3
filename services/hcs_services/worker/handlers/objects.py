"""Documents of many orders: rendered page by page, and written once, whichever try of a task gets there first."""

import asyncio
import hashlib
import io
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Final, NamedTuple

from hcs_services.object_store import StoreRefused, StoreUnavailable
from hcs_services.worker.ports import Page, Store
from hcs_services.worker.task import Permanent, Transient

PIECE: Final = 2**18  # bytes or characters: what takes a few milliseconds to work through at the most


class Described(NamedTuple):
    """How many lines a document has, how many bytes, and its SHA-256 in hex."""

    lines: int
    bytes: int
    sha256: str


async def rendered(
    pages: AsyncGenerator[Page], render: Callable[[Page], bytes], largest: int, *, head: bytes = b""
) -> bytes:
    """`head` and the bytes of all pages. Raises Permanent where they are more than `largest`.

    Each page is rendered before the next one is read, because rows take several times the memory of their bytes, and in
    a thread, because the loop has the broker's heartbeats to answer meanwhile.
    """
    document = io.BytesIO()
    document.write(head)
    async with aclosing(pages):
        async for page in pages:
            document.write(await asyncio.to_thread(render, page))
            if document.tell() > largest:
                raise Permanent("too-large", f"more than {largest // 2**20} MiB of orders: ask for fewer")
    return document.getvalue()


async def described(document: bytes) -> Described:
    """Look through it in a thread, and in pieces that others get their turn between."""

    def look_through() -> Described:
        lines, digest = 0, hashlib.sha256()
        for first in range(0, len(document), PIECE):
            piece = document[first : first + PIECE]
            lines += piece.count(b"\n")
            digest.update(piece)
        return Described(lines, len(document), digest.hexdigest())

    return await asyncio.to_thread(look_through)


async def put_once(store: Store, key: str, body: bytes, content_type: str) -> bytes:
    """Store `body` under `key`, or find what stands there already; returns what stands there.

    Raises Transient if the store cannot be reached, Permanent if it refuses.
    """
    try:
        if await store.put_if_absent(key, body, content_type):
            return body
        standing = await store.get(key)
    except StoreUnavailable as error:
        raise Transient("object-store", str(error)) from error
    except StoreRefused as error:
        raise Permanent("object-store-refused", str(error)) from error
    if standing is None:
        raise Transient("object-store", "an object was there and is gone")
    return standing
