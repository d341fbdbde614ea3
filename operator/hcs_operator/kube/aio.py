"""The Kubernetes port over the official client's asyncio transport: the only module that imports `kubernetes`.

The generated models are not used: documents go out verbatim and come back as the server sent them. Each request has
its own time-out, and none is repeated here: the queue looks again, and every write can be repeated.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
from kubernetes.aio import client, config

from hcs_operator.kube.errors import NotFound, Unavailable, error_of
from hcs_operator.kube.port import CHILDREN, COUNTS, Document, Listing, Ref
from hcs_operator.kube.resources import RESOURCES

TIMEOUT = aiohttp.ClientTimeout(total=15, connect=5)
"""Seconds for one request; the API server itself gives up on a write after 34 s, which the next look then sees."""

IN_CLUSTER = Path("/var/run/secrets/kubernetes.io/serviceaccount/token").exists()


async def configuration(kubeconfig: str | None) -> client.Configuration:
    """Return how to reach the API server: a named kubeconfig, else the pod's service account, else ~/.kube/config."""
    settings = client.Configuration()
    if kubeconfig is None and IN_CLUSTER:
        config.load_incluster_config(client_configuration=settings)
    else:
        await config.load_kube_config(config_file=kubeconfig, client_configuration=settings)
    settings.retries = 0
    return settings


class Login(NamedTuple):
    """The same way in for another client: kopf has its own transport."""

    server: str
    ca_path: str | None
    token: str | None
    certificate_path: str | None
    private_key_path: str | None
    insecure: bool


async def login(kubeconfig: str | None) -> Login:
    """Read the credentials anew, as a service account's token is renewed in place."""
    settings = await configuration(kubeconfig)
    header = await settings.get_api_key_with_prefix("BearerToken") or ""
    return Login(
        server=settings.host,
        ca_path=settings.ssl_ca_cert,
        token=bearer(header),
        certificate_path=settings.cert_file,
        private_key_path=settings.key_file,
        insecure=not settings.verify_ssl,
    )


def bearer(header: str) -> str | None:
    """Return the token of an Authorization header; the scheme is written "bearer" in a pod and "Bearer" elsewhere."""
    scheme, _, token = header.strip().rpartition(" ")
    return token if token and scheme.lower() in ("", "bearer") else None


class Client:
    """`kube.port.Kube` against a real API server. Close it when done."""

    def __init__(self, settings: client.Configuration, user_agent: str = "hcs-operator") -> None:
        self._api = client.ApiClient(configuration=settings)
        self._api.user_agent = user_agent

    async def close(self) -> None:
        """Close the connections."""
        await self._api.close()

    async def get(self, ref: Ref) -> dict[str, Any] | None:
        """Read one object; None when it does not exist."""
        try:
            return await self._request("GET", RESOURCES[ref.kind].path(ref.namespace, ref.name))
        except NotFound:
            return None

    async def list(self, kind: str, namespace: str = "", selector: str = "", *, fields: str = "") -> Listing:
        """List one kind by label and field selector."""
        resource = RESOURCES[kind]
        query = [("labelSelector", selector), ("fieldSelector", fields)]
        answer = await self._request("GET", resource.path(namespace), query=query)
        items = [{"apiVersion": resource.api_version, "kind": kind, **item} for item in answer.get("items") or ()]
        return Listing(items, answer["metadata"]["resourceVersion"])

    async def apply(
        self, document: Document, *, manager: str = CHILDREN, force: bool = True, subresource: str = ""
    ) -> dict[str, Any]:
        """Server-side apply exactly these fields."""
        ref = Ref.to(document)
        path = RESOURCES[ref.kind].path(ref.namespace, ref.name, subresource)
        return await self._apply(path, document, manager, force=force)

    async def create(self, document: Document) -> dict[str, Any]:
        """Create an object that must not exist yet."""
        ref = Ref.to(document)
        query = [("fieldManager", CHILDREN)]
        return await self._request("POST", RESOURCES[ref.kind].path(ref.namespace), query=query, body=document)

    async def replace(self, document: Document) -> dict[str, Any]:
        """Replace an object as a whole at its resourceVersion."""
        ref = Ref.to(document)
        query = [("fieldManager", CHILDREN)]
        return await self._request("PUT", RESOURCES[ref.kind].path(ref.namespace, ref.name), query=query, body=document)

    async def delete(self, ref: Ref, uid: str, *, orphan: bool = False) -> None:
        """Delete that very object, its dependents in the background or not at all."""
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Orphan" if orphan else "Background",
            "preconditions": {"uid": uid},
        }
        try:
            await self._request("DELETE", RESOURCES[ref.kind].path(ref.namespace, ref.name), body=options)
        except NotFound:
            return

    async def evict(self, ref: Ref, uid: str) -> None:
        """Delete that very pod unless its disruption budget is used up, which the API server judges."""
        document = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": ref.name, "namespace": ref.namespace},
            "deleteOptions": {"preconditions": {"uid": uid}},
        }
        try:
            path = RESOURCES[ref.kind].path(ref.namespace, ref.name, "eviction")
            await self._request("POST", path, body=document)
        except NotFound:
            return

    async def scale(self, ref: Ref, count: int) -> None:
        """Apply the count to `/scale`: by apply, not update, so that even an unchanged count changes its owner."""
        document = {
            "apiVersion": "autoscaling/v1",
            "kind": "Scale",
            "metadata": {"name": ref.name, "namespace": ref.namespace},
            "spec": {"replicas": count},
        }
        await self._apply(RESOURCES[ref.kind].path(ref.namespace, ref.name, "scale"), document, COUNTS, force=True)

    async def _apply(self, path: str, document: Document, manager: str, *, force: bool) -> dict[str, Any]:
        query = [("fieldManager", manager), ("force", "true" if force else "false")]
        return await self._request("PATCH", path, query=query, body=document, content="application/apply-patch+yaml")

    async def _request(
        self,
        method: str,
        path: str,
        *,
        query: Sequence[tuple[str, str]] = (),
        body: Document | None = None,
        content: str = "application/json",
    ) -> dict[str, Any]:
        """Send one request and return its decoded answer; every failure is one of `kube.errors`."""
        wanted = [(name, value) for name, value in query if value]
        try:
            request = await self._api.param_serialize(
                method,
                path,
                query_params=wanted,
                header_params={"Accept": "application/json", "Content-Type": content},
                body=dict(body) if body is not None else None,
                auth_settings=["BearerToken"],
            )
            answer = await self._api.call_api(*request, _request_timeout=TIMEOUT)
            data = (await answer.read()).decode()
        except (TimeoutError, aiohttp.ClientError, OSError) as failure:
            raise Unavailable(f"no answer from the API server to {method} {path}: {failure!r}") from failure
        if answer.status >= 300:
            raise error_of(answer.status, data)
        decoded: dict[str, Any] = json.loads(data)
        return decoded
