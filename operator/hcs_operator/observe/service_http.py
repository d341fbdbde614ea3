"""`ServicePort` over HTTP: the admin port that every service pod serves on 9090, apart from users' traffic."""

import time
from collections.abc import Callable
from typing import Any

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from hcs_operator.api.observed import CacheCounters, Inflight, Reason, Selftest

PORT = 9090
TIMEOUT = aiohttp.ClientTimeout(total=2.5, connect=1)
"""Seconds; a selftest passes through an engine, so it is given more than its own bound of 2.2 s."""
_NETWORK = (TimeoutError, aiohttp.ClientError, OSError, ValueError)


class AdminApi:
    """Asks pods by address; `clock` is Unix seconds."""

    def __init__(self, session: aiohttp.ClientSession, clock: Callable[[], float] = time.time) -> None:
        self._session = session
        self._clock = clock

    async def selftest(self, pod: str, ip: str) -> Selftest:
        """Ask the pod whether its work gets done right now."""
        try:
            async with self._session.get(f"http://{_host(ip)}:{PORT}/selftest", timeout=TIMEOUT) as answer:
                body = await answer.json(content_type=None)
            reason = Reason(str(body.get("reason") or "Unknown"), str(body.get("message") or ""))
            return Selftest(pod, body.get("ok") is True, reason, _numbers(body.get("data")))
        except (*_NETWORK, AttributeError) as failure:
            return Selftest(
                pod, ok=False, reason=Reason("NoAnswer", f"{pod} does not answer ({type(failure).__name__})")
            )

    async def inflight(self, pod: str, ip: str) -> Inflight | None:
        """Ask a worker what it is working on."""
        try:
            async with self._session.get(f"http://{_host(ip)}:{PORT}/inflight", timeout=TIMEOUT) as answer:
                body = await answer.json(content_type=None)
            oldest = float(body.get("oldest_seconds") or 0)
            return Inflight(pod, int(body["inflight"]), oldest, draining=bool(body.get("draining")))
        except (*_NETWORK, KeyError, TypeError, AttributeError):
            return None

    async def drain(self, ip: str, token: str, ttl_seconds: int) -> bool:
        """Ask a worker to take nothing new for that long."""
        headers = {"Authorization": f"Bearer {token}"}
        url, body = f"http://{_host(ip)}:{PORT}/drain", {"ttl_seconds": ttl_seconds}
        try:
            async with self._session.post(url, json=body, headers=headers, timeout=TIMEOUT) as answer:
                return answer.status < 300
        except _NETWORK:
            return False

    async def cache_counters(self, pod: str, ip: str) -> CacheCounters | None:
        """Read a read API pod's counters of users' reads from its metrics."""
        try:
            async with self._session.get(f"http://{_host(ip)}:{PORT}/metrics", timeout=TIMEOUT) as answer:
                text = await answer.text()
            counts = {"hit": 0, "miss": 0}
            for family in text_string_to_metric_families(text):
                for sample in family.samples:
                    if sample.name == "hcs_cache_reads_total" and sample.labels.get("result") in counts:
                        counts[sample.labels["result"]] += int(sample.value)
            return CacheCounters(pod, counts["hit"], counts["miss"], self._clock())
        except _NETWORK:
            return None


def _numbers(data: Any) -> dict[str, float]:
    """Keep the numbers: a replaceable application may answer anything."""
    if not isinstance(data, dict):
        return {}
    return {str(name): float(value) for name, value in data.items() if isinstance(value, int | float)}


def _host(ip: str) -> str:
    return f"[{ip}]" if ":" in ip else ip
