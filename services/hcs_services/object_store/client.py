"""The two S3 calls we need: a conditional put and a get, over aiohttp, in path style."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from hcs_services.object_store.sigv4 import Credentials, Request, encode_path, sign

REGION = "us-east-1"
TIMEOUT_SECONDS = 30.0


class StoreUnavailable(Exception):
    """The store did not answer, or with a 5xx: worth another try."""


class StoreRefused(Exception):
    """The store refused for good (4xx): wrong credentials, no such bucket."""


class ObjectStore:
    """One bucket of an S3-compatible store. Credentials are read for each call, so that they can be rotated."""

    def __init__(
        self,
        url: str,
        bucket: str,
        credentials: Callable[[], Credentials],
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        parts = urlsplit(url)
        self._origin = f"{parts.scheme}://{parts.netloc}"
        self._host = parts.netloc
        self._prefix = f"{parts.path.rstrip('/')}/{bucket}"
        self._credentials = credentials
        self._clock = clock
        self._http: aiohttp.ClientSession | None = None

    async def put_if_absent(self, key: str, body: bytes, content_type: str) -> bool:
        """Store `body` unless the key is taken, then False. Raises StoreUnavailable, StoreRefused."""
        headers = {"content-type": content_type, "if-none-match": "*"}
        status, answer = await self._send(Request("PUT", self._host, self._path(key), headers, body=body))
        if status == 200:
            return True
        # 412: the key exists; 409: another conditional put of it is under way and wins.
        if status == 412:
            return False
        raise StoreUnavailable("a concurrent put") if status == 409 else _refusal(status, answer)

    async def get(self, key: str) -> bytes | None:
        """The object's bytes, None where there is none. Raises StoreUnavailable, StoreRefused."""
        status, answer = await self._send(Request("GET", self._host, self._path(key)))
        if status == 200:
            return answer
        if status == 404 and b"NoSuchBucket" not in answer:
            return None
        raise _refusal(status, answer)

    async def close(self) -> None:
        """Close the connections; safe to repeat."""
        if self._http is not None:
            await self._http.close()
            self._http = None

    def _path(self, key: str) -> str:
        return f"{self._prefix}/{key}"

    async def _send(self, request: Request) -> tuple[int, bytes]:
        if self._http is None:
            self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS))
        # In a thread, which hashing lets run beside the loop: 32 MiB would hold it up.
        headers = await asyncio.to_thread(sign, request, self._credentials(), REGION, self._clock())
        # The path goes out exactly as it was signed: yarl must not decode or encode it again.
        url = URL(self._origin + encode_path(request.path), encoded=True)
        try:
            async with self._http.request(request.method, url, headers=headers, data=request.body or None) as answer:
                return answer.status, await answer.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise StoreUnavailable(f"{type(error).__name__} from the object store") from error


def _refusal(status: int, answer: bytes) -> StoreUnavailable | StoreRefused:
    code = answer.partition(b"<Code>")[2].partition(b"</Code>")[0].decode("ascii", "replace")[:64]
    kind = StoreUnavailable if status >= 500 else StoreRefused
    return kind(f"the object store answered {status} {code}".rstrip())
