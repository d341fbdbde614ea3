"""Makes passwords and keys once, and renews certificates by their date; no password that exists is ever changed."""

import base64
import secrets
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from hcs_operator.act.apply import Record, again, foreign
from hcs_operator.api.names import DB
from hcs_operator.api.observed import Child, Document, Reason, Snapshot
from hcs_operator.api.spec import Stack
from hcs_operator.build import credentials
from hcs_operator.build.metadata import metadata
from hcs_operator.decide.plan import kept
from hcs_operator.decide.pruning import owned
from hcs_operator.kube.errors import Conflict, Failed, Refused
from hcs_operator.kube.port import Kube, Ref
from hcs_operator.kube.resources import RESOURCES
from hcs_operator.observe.store import WatchStore
from hcs_operator.tls.certificates import TlsNames, wanted


class Secured(NamedTuple):
    """What was made and what could not be, in words (never a value); `complete` unless a Secret is still missing.

    `healed` is what was made although it had been there before: somebody else deleted it.
    """

    made: list[str]
    healed: list[str]
    problems: list[Reason]
    complete: bool


async def secure(
    kube: Kube, store: WatchStore, stack: Stack, snapshot: Snapshot, cluster_domain: str, record: Record
) -> Secured:
    """Make what is missing and renew what is due, each at the version that was looked at; note in `record` what is
    there.
    """
    done = Secured([], [], [], complete=True)
    record.known.update(kept(stack) & (snapshot.live.keys() | _had(stack, snapshot)))
    for document, live in _due(stack, snapshot, cluster_domain):
        child = Child(document["kind"], document["metadata"]["name"])
        try:
            store.put(await (kube.create(document) if live is None else kube.apply(document)))
        except (Conflict, Refused, Failed) as failure:
            done.problems.extend(await _why(kube, stack, child, failure))
            done = done._replace(complete=done.complete and live is not None)
        else:
            done.made.append(f"{child.kind} {child.name}: {'new' if live is None else 'renewed'}")
            if live is None and child in record.known:
                done.healed.append(again(child))
            record.known.add(child)
    return done


def _had(stack: Stack, snapshot: Snapshot) -> set[Child]:
    """Name what was there before, seen or not: a pod runs over all that it mounts, a certificate is of an authority.

    Before its group is founded, a stack may see pods of an earlier one of its name, which have yet to go.
    """
    if not (stack.status.get("database") or {}).get("bootstrapped"):
        return set()
    names = TlsNames(stack.name, stack.namespace, "")
    mounted = {Child("Secret", name) for pod in snapshot.pods if pod.ip for name in pod.secrets}
    return mounted | ({names.authority, names.bundle} if names.server in mounted else set())


def _due(stack: Stack, snapshot: Snapshot, cluster_domain: str) -> Iterator[tuple[dict[str, Any], Document | None]]:
    """Each document to write, and the object that it renews."""
    for name, make in credentials.secrets(stack).items():
        if name not in snapshot.secrets:
            yield credentials.secret(stack, name, make(secrets.token_bytes)), None
    names = TlsNames(stack.name, stack.namespace, cluster_domain)
    for child, text in wanted(names, _found(names, snapshot), datetime.fromtimestamp(snapshot.now, UTC)).items():
        document, live = _document(stack, child, text), snapshot.live.get(child)
        if live is not None:
            document["metadata"]["resourceVersion"] = live["metadata"]["resourceVersion"]
        yield document, live


async def _why(kube: Kube, stack: Stack, child: Child, failure: Conflict | Refused | Failed) -> list[Reason]:
    """Say what stands in the way; nothing does where somebody was faster, which the next look sees."""
    if not isinstance(failure, Conflict):
        return [Reason("ChildRefused", f"{child.kind} {child.name} is refused by the API server: {failure}")]
    live = await kube.get(Ref(child.kind, stack.namespace, child.name))
    return [foreign(child, live)] if live is not None and not owned(live, stack.uid) else []


def _found(names: TlsNames, snapshot: Snapshot) -> dict[Child, Mapping[str, str]]:
    found: dict[Child, Mapping[str, str]] = {}
    for child in (names.authority, names.server):
        if child.name in snapshot.secrets:
            found[child] = snapshot.secrets[child.name]
    bundle = snapshot.live.get(names.bundle)
    if bundle is not None:
        found[names.bundle] = bundle.get("data") or {}
    return found


def _document(stack: Stack, child: Child, text: Mapping[str, str]) -> dict[str, Any]:
    data = dict(text)
    if child.kind == "Secret":
        data = {name: base64.b64encode(value.encode()).decode() for name, value in text.items()}
    return {
        "apiVersion": RESOURCES[child.kind].api_version,
        "kind": child.kind,
        "metadata": metadata(stack, child.name, DB),
        "data": data,
    }
