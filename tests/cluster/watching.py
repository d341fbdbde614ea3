"""Every state that pods were in while something ran: one that is killed and gone before the next look is seen as well."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cluster.kubectl import Kubectl
from tests.cluster.objects import Document

SIGKILLED = 137


class Watched:
    """What a watch of pods has shown so far, as `kubectl get --watch --output=json` writes it to a file."""

    def __init__(self, shown: Path) -> None:
        self._shown = shown

    def statuses(self) -> dict[str, list[Document]]:
        """`{pod: every status of its containers, oldest first}`."""
        found: dict[str, list[Document]] = {}
        for pod in documents(self._shown.read_text()):
            found.setdefault(pod["metadata"]["name"], []).extend(pod["status"].get("containerStatuses", []))
        return found

    def running(self) -> set[str]:
        """Pods with a container that was seen to run and not to end."""
        return {
            name
            for name, seen in self.statuses().items()
            if any("running" in status["state"] for status in seen)
            and not any("terminated" in status["state"] for status in seen)
        }

    def killed(self) -> set[str]:
        """A line for each container that ended by SIGKILL or for want of memory, or was started again."""
        return {
            f"{name}: {status['restartCount']} restarts, state {status['state']}, before it {status.get('lastState')}"
            for name, seen in self.statuses().items()
            for status in seen
            if status["restartCount"] or _was_killed(status["state"].get("terminated", {}))
        }


def _was_killed(end: Document) -> bool:
    return end.get("exitCode") == SIGKILLED or end.get("reason") == "OOMKilled"


@contextmanager
def watched(kubectl: Kubectl, selector: str) -> Iterator[Watched]:
    """Watches pods while the block runs. A watch that broke in the middle is an error, not a clean bill."""
    command = [str(kubectl.binary), "--namespace", kubectl.namespace, "get", "pods"]
    command += [f"--selector={selector}", "--watch", "--output=json"]
    environment = {**os.environ, "KUBECONFIG": str(kubectl.kubeconfig)}
    with (
        tempfile.NamedTemporaryFile("w") as shown,
        subprocess.Popen(command, stdout=shown, env=environment) as watch,
    ):
        try:
            yield Watched(Path(shown.name))
            assert watch.poll() is None, "the watch of the pods broke"
        finally:
            watch.terminate()


def documents(text: str) -> Iterator[Document]:
    """The JSON documents that follow each other in a text; the last one may not be written to its end yet."""
    decoder, at = json.JSONDecoder(), 0
    while (start := text.find("{", at)) >= 0:
        try:
            document, at = decoder.raw_decode(text, start)
        except json.JSONDecodeError:
            return
        yield document
