"""No value of any Secret stands where somebody who may not read Secrets could see it."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hack.cluster.diagnosis import collect
from hack.cluster.install import Cluster
from tests.cluster.conftest import OPERATOR_NAMESPACE, SAMPLES_NAMESPACE, Stack
from tests.cluster.kubectl import CommandFailed, Kubectl, in_node

pytestmark = pytest.mark.cluster

SHORTEST = 16  # characters: a shorter line may be a word that stands in a log by chance


def test_no_secret_value_is_in_a_log_an_event_a_status_an_argument_or_a_metric(
    shop: Stack, kubectl: Kubectl, tmp_path: Path
) -> None:
    secrets = dict(_secret_lines(kubectl.inside(SAMPLES_NAMESPACE)))
    assert len(secrets) > 10, "the stack's passwords and keys"
    collect(Cluster(kubectl.binary.parent, kubectl.kubeconfig), tmp_path)
    seen = {str(file.relative_to(tmp_path)): file.read_text() for file in tmp_path.rglob("*") if file.is_file()}
    seen |= _metrics(shop) | _processes(kubectl)
    leaks = [f"{name} in {place}" for place, text in seen.items() for line, name in secrets.items() if line in text]
    assert not leaks
    print(f"    {len(secrets)} secret lines, not one in {len(seen)} places")


def _secret_lines(kubectl: Kubectl) -> Iterator[tuple[str, str]]:
    """(line, where it is from) of each line of each Secret that is a secret."""
    for secret in kubectl.items("secrets"):
        if secret["type"] == "helm.sh/release.v1":
            continue
        for key, value in secret["data"].items():
            lines = _secret_part(key, base64.b64decode(value).decode())
            name = f"{secret['metadata']['name']}/{key}"
            yield from ((line, name) for line in lines if len(line) >= SHORTEST and not line.startswith("-----"))


def _secret_part(key: str, text: str) -> list[str]:
    """The lines of a Secret's key that nobody else may know."""
    if key.endswith(".crt"):
        return []
    if key == "definitions.json":
        return [str(user["password_hash"]) for user in json.loads(text)["users"]]
    return text.splitlines()


def _metrics(stack: Stack) -> dict[str, str]:
    """What each pod of the stack and the operator's own show to a scraper."""
    found = {}
    for namespace in (SAMPLES_NAMESPACE, OPERATOR_NAMESPACE):
        inside = stack.kubectl.inside(namespace)
        for pod in inside.items("pods", "app.kubernetes.io/name in (hcs,hcs-operator)"):
            name = pod["metadata"]["name"]
            try:
                found[f"metrics of {name}"] = inside.run(
                    "get", "--raw", f"/api/v1/namespaces/{namespace}/pods/{name}:9090/proxy/metrics"
                )
            except CommandFailed:  # an engine, which has no such port
                continue
    assert len(found) >= 5, f"only {list(found)} show metrics"
    return found


def _processes(kubectl: Kubectl) -> dict[str, str]:
    """Arguments and environments of all processes on each node."""
    # versitygw, the sample store, takes its root keys from its environment alone
    own = '[ "$(cat $process/comm)" = versitygw ] || cat $process/environ'
    script = f"for process in /proc/[0-9]*; do cat $process/cmdline; {own}; done 2>/dev/null | tr '\\0' '\\n'"
    nodes = [node["metadata"]["name"] for node in kubectl.items("nodes")]
    return {f"processes of {node}": in_node(node, "sh", "-c", script) for node in nodes}
