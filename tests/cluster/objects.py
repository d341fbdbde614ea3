"""Objects of the cluster, read over connections that stay open: waiting looks several times a second, and a new kubectl
for each look takes longer, and more of the processors, than the look.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from kubernetes import config

Document = dict[str, Any]
_SECONDS = 60  # that one answer may take


class NotRead(AssertionError):
    """The API server answered with something else than what was asked for; carries its words."""


@dataclass(frozen=True)
class Resource:
    """One kind's place in the API."""

    root: str  # as `/apis/apps/v1`
    plural: str
    kind: str
    namespaced: bool

    def path(self, namespace: str, name: str = "") -> str:
        """The URL path of all of them, or of the one of that name."""
        within = f"/namespaces/{namespace}" if self.namespaced else ""
        return f"{self.root}{within}/{self.plural}" + (f"/{name}" if name else "")


class Objects:
    """What the API server of a kubeconfig has. Kinds have the names that kubectl takes: `pvc`, `pods`, `StatefulSet`."""

    def __init__(self, kubeconfig: Path) -> None:
        self._api = config.new_client_from_config(config_file=str(kubeconfig))
        self._resources: dict[str, Resource] = {}
        for resource, names in self._discovered():
            for name in names:
                self._resources.setdefault(name, resource)

    def get(self, kind: str, namespace: str, name: str) -> Document | None:
        """One object, or None where there is none."""
        return self.read(self._resources[kind.lower()].path(namespace, name))

    def items(self, kinds: str, namespace: str, selector: str) -> list[Document]:
        """The objects of one kind, or of several with commas between them, that a label selector picks."""
        found: list[Document] = []
        for resource in (self._resources[kind.lower()] for kind in kinds.split(",")):
            listed = self._must_read(resource.path(namespace), labelSelector=selector)
            of_kind = {"apiVersion": listed["apiVersion"], "kind": resource.kind}
            found += [{**of_kind, **item} for item in listed["items"]]
        return found

    def read(self, path: str, **query: str) -> Document | None:
        """What is at a path of the API, None if nothing is. Raises NotRead."""
        url = f"{self._api.configuration.host}{path}?{urlencode(query)}"
        answer = self._api.call_api("GET", url, {"Accept": "application/json"}, _request_timeout=_SECONDS)
        content = answer.read()
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise NotRead(f"{path}: {answer.status} {content.decode(errors='replace')[:500]}")
        document: Document = json.loads(content)
        return document

    def _discovered(self) -> Iterator[tuple[Resource, list[str]]]:
        """Each kind with its names; the core's first, since others have events and nodes too."""
        groups = self._must_read("/apis")["groups"]
        for root in ("/api/v1", *(f"/apis/{group['preferredVersion']['groupVersion']}" for group in groups)):
            for it in self._must_read(root)["resources"]:
                if "/" not in it["name"]:
                    names = [it["name"], it["singularName"], it["kind"].lower(), *it.get("shortNames", ())]
                    yield Resource(root, it["name"], it["kind"], it["namespaced"]), names

    def _must_read(self, path: str, **query: str) -> Document:
        document = self.read(path, **query)
        if document is None:
            raise NotRead(f"{path}: not found")
        return document


@cache
def objects(kubeconfig: Path) -> Objects:
    """One client for each kubeconfig: it keeps what it discovered, and its connections."""
    return Objects(kubeconfig)
