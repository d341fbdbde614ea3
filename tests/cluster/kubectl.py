"""The cluster as a user sees it: kubectl, objects as it shows them, and waiting with a deadline."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from tests.cluster.objects import Document, NotRead, objects
from tests.slack import SLACK

T = TypeVar("T")


class CommandFailed(AssertionError):
    """A command ended with another exit code than 0; carries what it said."""


class Late(AssertionError):
    """Something did not become true in its time; carries what was seen last."""


def until(what: str, probe: Callable[[], T | None], seconds: float, *, every: float = 0.2) -> T:
    """The probe's first truthy answer; raises Late with its last answer once `seconds` × SLACK have passed.

    A look that fails, as one into a container that has yet to start, is no answer, and is told if it was the last one.
    """
    started = time.monotonic()
    seen: object = None
    while time.monotonic() - started < seconds * SLACK:
        try:
            seen = found = probe()
        except (CommandFailed, NotRead) as error:
            seen, found = error, None
        if found:
            print(f"    {what}: {time.monotonic() - started:.1f} s")
            return found
        time.sleep(every)
    message = f"{what}: not within {seconds:.0f} s × {SLACK:.0f}; seen last: {seen!r}"
    raise Late(message)


def stays(what: str, probe: Callable[[], bool], seconds: float, *, every: float = 1.0) -> None:
    """Asserts that the probe holds at every look for so many seconds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert probe(), f"{what}: did not last {seconds:.0f} s"
        time.sleep(every)


@dataclass(frozen=True)
class Kubectl:
    """One cluster and one namespace."""

    binary: Path
    kubeconfig: Path
    namespace: str = "default"

    def inside(self, namespace: str) -> Kubectl:
        """The same cluster, another namespace."""
        return Kubectl(self.binary, self.kubeconfig, namespace)

    def run(self, *arguments: str, stdin: str | None = None, timeout: float = 120, check: bool = True) -> str:
        """What kubectl printed. Raises CommandFailed with its own words."""
        done = subprocess.run(
            [str(self.binary), "--namespace", self.namespace, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            env={**os.environ, "KUBECONFIG": str(self.kubeconfig)},
        )
        if check and done.returncode:
            raise CommandFailed(f"kubectl {' '.join(arguments)}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout if done.returncode == 0 else done.stderr

    def get(self, kind: str, name: str) -> Document | None:
        """One object, or None where there is none."""
        return objects(self.kubeconfig).get(kind, self.namespace, name)

    def shown(self, pod: str, port: int, name: str) -> Document:
        """What a pod shows as JSON at a port under a name; nothing while it shows none."""
        place = f"/api/v1/namespaces/{self.namespace}/pods/{pod}:{port}/proxy/{name}"
        with suppress(NotRead):
            return objects(self.kubeconfig).read(place) or {}
        return {}

    def secret(self, name: str, key: str) -> str:
        """A key of a Secret in plain text; empty where there is no such Secret."""
        document = self.get("secret", name)
        return base64.b64decode(document["data"][key]).decode() if document else ""

    def history(self, place: str, since: str, last: Document) -> list[Document]:
        """Each state that objects at a path of the API had after that version, up to one that was read: most states last
        so short that no poll sees them.
        """
        query = f"watch=true&timeoutSeconds=60&resourceVersion={since}"
        found: list[Document] = []
        if int(last["metadata"]["resourceVersion"]) <= int(since):
            return found
        command = [str(self.binary), f"--kubeconfig={self.kubeconfig}", "get", "--raw", f"{place}?{query}"]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as shown:
            assert shown.stdout
            for line in shown.stdout:
                found.append(json.loads(line)["object"])
                if found[-1]["metadata"]["resourceVersion"] == last["metadata"]["resourceVersion"]:
                    break
            shown.kill()
        return found

    def items(self, kind: str, selector: str = "") -> list[Document]:
        """The objects of a kind that a label selector picks."""
        return objects(self.kubeconfig).items(kind, self.namespace, selector)

    def apply(self, *documents: Mapping[str, Any]) -> str:
        """Applies documents as `kubectl apply -f -` does."""
        return self.run("apply", "--filename=-", stdin=yaml.safe_dump_all(documents))

    def patch(self, kind: str, name: str, change: Mapping[str, Any], *, check: bool = True) -> str:
        """Merges a change into an object."""
        return self.run("patch", kind, name, "--type=merge", f"--patch={json.dumps(change)}", check=check)

    def delete(self, kind: str, *names: str, wait: bool = True) -> str:
        """Deletes objects; with `wait`, returns once they are gone."""
        return self.run("delete", kind, *names, f"--wait={str(wait).lower()}", "--ignore-not-found", timeout=300)

    def pods(self, stack: str, component: str) -> list[Document]:
        """A tier's pods that are not on their way out."""
        pods = self.items("pods", f"highconcurrency.dev/stack={stack},app.kubernetes.io/component={component}")
        return [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]

    def events(self, about: str) -> list[Document]:
        """The events that regard an object of that name."""
        return [event for event in self.items("events") if event["involvedObject"]["name"] == about]

    def signal_container(self, pod: str, container: str, signal: str = "KILL") -> str:
        """Signals all processes of a container from its node, as a crash or a hang would; PID 1 is deaf from inside."""
        document = self.get("pod", pod)
        assert document, pod
        container_id = next(
            status["containerID"].removeprefix("containerd://")
            for status in document["status"]["containerStatuses"]
            if status["name"] == container
        )
        return in_node(
            document["spec"]["nodeName"],
            *("ctr", "-n", "k8s.io", "task", "kill", "--all", "--signal", f"SIG{signal}", container_id),
        )


def in_node(node: str, *command: str) -> str:
    """Runs a command inside a kind node's container."""
    return docker("exec", node, *command)


def docker(*words: str) -> str:
    """What docker printed. Raises CommandFailed with its own words."""
    done = subprocess.run(["docker", *words], capture_output=True, text=True, check=False, timeout=60 * SLACK)
    if done.returncode:
        raise CommandFailed(f"docker {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


def condition(document: Mapping[str, Any] | None, kind: str) -> Document:
    """A condition of a resource; an empty one where it is not set yet."""
    conditions = ((document or {}).get("status") or {}).get("conditions") or []
    return next((entry for entry in conditions if entry["type"] == kind), {})
