"""Installs what `make up` shows: the operator, the samples' outside world and the stack `shop`, with Helm and kubectl
as a user would.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hack.cluster import content, places
from hack.cluster.console import Refusal, say, step
from hack.cluster.lock import one_at_a_time
from hack.cluster.shell import CommandFailed, run

OPERATOR_NAMESPACE = "hcs-system"
NAMESPACE = STACK = "shop"
_OURS = {"highconcurrency.dev/made-by": "make-up"}  # what `make down` may take out of a cluster of the user's
# What frees a release that helm was killed over, by the status it left: helm itself refuses it for ever.
_FREED_BY = {
    "pending-install": ("uninstall", "--wait"),
    "uninstalling": ("uninstall", "--wait"),
    "pending-upgrade": ("rollback",),
    "pending-rollback": ("rollback",),
}
_RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}


@dataclass(frozen=True)
class Cluster:
    """A cluster that things are installed in. `programs` holds kubectl and helm."""

    programs: Path
    kubeconfig: Path

    def kubectl(self, *arguments: str | Path, stdin: str | None = None) -> str:
        """What kubectl printed."""
        return run(self.programs / "kubectl", "--kubeconfig", self.kubeconfig, *arguments, stdin=stdin)

    def helm(self, *arguments: str | Path, stdin: str | None = None) -> str:
        """What helm printed."""
        return run(self.programs / "helm", "--kubeconfig", self.kubeconfig, *arguments, stdin=stdin)

    def get(self, kind: str, name: str, namespace: str) -> dict[str, Any]:
        """One object; an empty one where there is none."""
        text = self.kubectl("--namespace", namespace, "get", kind, name, "--ignore-not-found", "--output", "json")
        found: dict[str, Any] = json.loads(text) if text.strip() else {}
        return found

    @contextmanager
    def forwarded(self, namespace: str, service: str, port: int) -> Iterator[str]:
        """The base URL of a Service, on a port of this host for as long as the block runs."""
        command: list[str | Path] = [self.programs / "kubectl", "--kubeconfig", self.kubeconfig]
        command += ["--namespace", namespace, "port-forward", f"service/{service}", f":{port}"]
        environment = {**os.environ, **places.HOMES}
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as forward:
            assert forward.stdout is not None
            try:
                line = forward.stdout.readline()  # Forwarding from 127.0.0.1:40123 -> 8080
                if not line:
                    raise Refusal(f"kubectl port-forward of {service} ended with exit code {forward.wait()}")
                yield f"http://{line.removeprefix('Forwarding from ').split()[0]}"
            finally:
                forward.terminate()

    def ensure_namespace(self, name: str) -> None:
        """A namespace that admits restricted pods only and says who made it; one that is there stays as it is."""
        if self.get("namespace", name, name):
            return
        labels = {**_RESTRICTED, **_OURS}
        document = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
        self.kubectl("create", "--filename", "-", stdin=json.dumps(document))


def operator(cluster: Cluster, images: Mapping[str, str]) -> None:
    """Installs or upgrades the operator, with the images of this tree as its release's."""
    with step("installing the operator (charts/hcs-operator)"):
        cluster.ensure_namespace(OPERATOR_NAMESPACE)
        stack_images = {name: images[name] for name in ("services", "mysql", "redis", "rabbitmq")}
        values = {"image": {"reference": images["operator"]}, "images": {**stack_images, "agent": images["operator"]}}
        _helm_install(cluster, "hcs", "hcs-operator", OPERATOR_NAMESPACE, json.dumps(values))
        _until_rolled_out(cluster, OPERATOR_NAMESPACE, "hcs-operator")


def samples(cluster: Cluster, images: Mapping[str, str]) -> None:
    """The mail sink, the payment provider and the object store that the stack `shop` talks to."""
    with step("installing the samples (examples/samples.yaml)"):
        cluster.ensure_namespace(NAMESPACE)
        if not cluster.get("secret", "object-store", NAMESPACE):
            keys = {"access-key": secrets.token_hex(10), "secret-key": secrets.token_urlsafe(30)}
            metadata = {"name": "object-store", "labels": _OURS}
            secret = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": keys}
            cluster.kubectl("--namespace", NAMESPACE, "create", "--filename", "-", stdin=json.dumps(secret))
        text = (places.ROOT / "examples" / "samples.yaml").read_text().replace("hcs/samples:dev", images["samples"])
        cluster.kubectl("--namespace", NAMESPACE, "apply", "--server-side", "--filename", "-", stdin=text)
        for name in ("smtp-sink", "payment-stub", "object-store"):
            _until_rolled_out(cluster, NAMESPACE, name)


def stack(cluster: Cluster, images: Mapping[str, str]) -> None:
    """The stack `shop`, awaited Ready; its images are named, since a stack otherwise keeps those it began with."""
    with step("installing the stack `shop` (charts/hcs-stack)"):
        values = (places.ROOT / "examples" / "shop.yaml").read_text()
        own = {name: images[name] for name in ("services", "mysql", "redis", "rabbitmq")}
        named = f"spec.images={json.dumps({**own, 'agent': images['operator']})}"
        _helm_install(cluster, STACK, "hcs-stack", NAMESPACE, values, "--set-json", named)
    with step("waiting for the stack to be Ready"):
        _until_ready(cluster, 600)


def _until_rolled_out(cluster: Cluster, namespace: str, deployment: str) -> None:
    """Waits until every pod is the new one and ready; a failure carries the end of a pod's log."""
    inside = ("--namespace", namespace)
    try:
        cluster.kubectl(*inside, "rollout", "status", f"deployment/{deployment}", "--timeout", "180s")
    except CommandFailed as error:
        pods = cluster.kubectl(*inside, "get", "pods", "--sort-by", ".metadata.creationTimestamp", "--output", "name")
        newest = pods.split()[-1]
        log = cluster.kubectl(*inside, "logs", newest, "--tail", "8")
        raise Refusal(f"{error}\nthe end of what {newest} says:\n{log}") from error


def _helm_install(cluster: Cluster, release: str, chart: str, namespace: str, values: str, *settings: str) -> None:
    """Installs or upgrades; a release that was made of the same chart and values is left as it is."""
    folder = places.ROOT / "charts" / chart
    made_of = content.digest([folder], values, *settings)
    inside = ("--namespace", namespace)
    with one_at_a_time():  # a release that another make is just installing is pending too
        status = _status(cluster, release, inside)
        if status == "deployed":
            info = json.loads(cluster.helm("status", release, *inside, "--output", "json"))["info"]
            if info.get("description") == made_of:
                return
        elif status in _FREED_BY:
            say(f"  the release `{release}` was left {status}: helm {_FREED_BY[status][0]} first")
            command, *options = _FREED_BY[status]
            cluster.helm(command, release, *inside, *options)
        words = [*inside, "--description", made_of, "--values", "-", *settings]
        cluster.helm("upgrade", "--install", release, folder, *words, stdin=values)


def _status(cluster: Cluster, release: str, inside: tuple[str, str]) -> str:
    """The status of a release's newest revision; empty where there is no release."""
    listed = cluster.helm("list", *inside, "--filter", f"^{release}$", "--all", "--output", "json")
    return next((str(entry["status"]) for entry in json.loads(listed)), "")


def _until_ready(cluster: Cluster, seconds: float) -> None:
    """Says each new sentence of the stack's Ready condition, until it is True for the current spec."""
    deadline = time.monotonic() + seconds
    told = ""
    while time.monotonic() < deadline:
        document = cluster.get("hcs", STACK, NAMESPACE)
        status = document.get("status", {})
        ready: dict[str, str] = next((entry for entry in status.get("conditions", []) if entry["type"] == "Ready"), {})
        current = status.get("observedGeneration") == document["metadata"]["generation"]
        if current and ready.get("status") == "True":
            return
        told = _tell(f"  {ready.get('reason', 'Waiting')}: {ready.get('message', 'no status yet')}", told)
        time.sleep(1)
    raise Refusal(f"the stack is not Ready after {seconds:.0f} s:{told}; `make logs` collects what it says")


def _tell(sentence: str, told: str) -> str:
    if sentence != told:
        say(sentence)
    return sentence


def uninstall(cluster: Cluster) -> None:
    """Takes out what `make up` installed in a cluster of the user's. A namespace that was there before is kept."""
    with step("uninstalling the stack, the samples and the operator"):
        for release, namespace in ((STACK, NAMESPACE), ("hcs", OPERATOR_NAMESPACE)):
            cluster.helm("uninstall", release, "--namespace", namespace, "--ignore-not-found", "--wait")
            found = cluster.get("namespace", namespace, namespace)
            if not found:
                continue
            if _OURS.items() <= found["metadata"].get("labels", {}).items():
                cluster.kubectl("delete", "namespace", namespace, "--ignore-not-found")
                continue
            if namespace == NAMESPACE:
                _remove_samples(cluster)
            say(f"the namespace `{namespace}` was not made by `make up`: it is kept, with whatever else is in it")


def _remove_samples(cluster: Cluster) -> None:
    """Takes the samples out of a namespace that stays."""
    delete = ("--namespace", NAMESPACE, "delete", "--ignore-not-found")
    cluster.kubectl(*delete, "--filename", places.ROOT / "examples" / "samples.yaml")
    cluster.kubectl(*delete, "secret", "--selector", ",".join(f"{name}={value}" for name, value in _OURS.items()))
