"""What `make up` put into a cluster of the user's goes again and nothing else does; what an interrupted one left is
taken up.
"""

from __future__ import annotations

import fcntl
import json
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hack.cluster import content, install, places
from hack.cluster.install import NAMESPACE, OPERATOR_NAMESPACE, Cluster

pytestmark = pytest.mark.unit

CLUSTER = Cluster(Path("/programs"), Path("/kubeconfig"))


@dataclass
class Api:
    """Stands for kubectl and helm: keeps namespaces (name → labels), the status of one release, and every other
    command as it was given.
    """

    namespaces: dict[str, dict[str, str]] = field(default_factory=dict)
    release: str = ""
    made_of: str = ""
    unlocked: bool = False  # a release was looked at while another make could be installing it
    commands: list[str] = field(default_factory=list)

    def run(self, *words: str | Path, stdin: str | None = None, env: object = None) -> str:
        """Answers as kubectl would for a namespace and helm for a release, and with nothing for all else."""
        text = " ".join(str(word) for word in words[3:])
        if text.startswith("list"):
            self.unlocked = _is_free(places.CACHE / "lock")
            return json.dumps([{"status": self.release}] if self.release else [])
        if text.startswith("status"):
            return json.dumps({"info": {"description": self.made_of}})
        if "get namespace" in text:
            name = text.partition("get namespace ")[2].split()[0]
            found = self.namespaces.get(name)
            return "" if found is None else json.dumps({"metadata": {"name": name, "labels": found}})
        if "create" in text and stdin and json.loads(stdin)["kind"] == "Namespace":
            metadata = json.loads(stdin)["metadata"]
            self.namespaces[metadata["name"]] = metadata["labels"]
        self.commands.append(text)
        return ""


def _is_free(lock: Path) -> bool:
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Api:
    """The cluster's side of every command."""
    fake = Api()
    monkeypatch.setattr(places, "CACHE", tmp_path)
    monkeypatch.setattr(places, "SCRATCH", tmp_path / "tmp")
    monkeypatch.setattr(install, "run", fake.run)
    monkeypatch.setattr(install, "_until_ready", lambda *_: None)
    return fake


def test_a_namespace_that_was_made_here_goes_with_what_is_in_it(api: Api) -> None:
    for name in (NAMESPACE, OPERATOR_NAMESPACE):
        CLUSTER.ensure_namespace(name)
    install.uninstall(CLUSTER)
    deleted = [command for command in api.commands if command.startswith("delete namespace")]
    assert deleted == [f"delete namespace {name} --ignore-not-found" for name in (NAMESPACE, OPERATOR_NAMESPACE)]


def test_a_namespace_of_the_users_is_kept_and_said_so_and_loses_only_the_samples(
    api: Api, capsys: pytest.CaptureFixture[str]
) -> None:
    api.namespaces[NAMESPACE] = {"team": "theirs"}
    CLUSTER.ensure_namespace(NAMESPACE)
    CLUSTER.ensure_namespace(OPERATOR_NAMESPACE)
    install.uninstall(CLUSTER)
    assert api.namespaces[NAMESPACE] == {"team": "theirs"}
    assert f"delete namespace {NAMESPACE} --ignore-not-found" not in api.commands
    assert f"delete namespace {OPERATOR_NAMESPACE} --ignore-not-found" in api.commands
    removed = [command for command in api.commands if command.startswith(f"--namespace {NAMESPACE} delete")]
    assert ["samples.yaml" in removed[0], removed[1].rpartition(" ")[2]] == [
        True,
        "highconcurrency.dev/made-by=make-up",
    ]
    assert f"`{NAMESPACE}` was not made by `make up`: it is kept" in capsys.readouterr().out


def test_a_namespace_that_is_gone_already_is_not_asked_for(api: Api) -> None:
    install.uninstall(CLUSTER)
    assert all(command.startswith("uninstall") for command in api.commands), api.commands


@pytest.mark.parametrize(
    ("left", "freed_by"),
    [
        ("", []),
        ("failed", []),
        ("deployed", []),
        ("pending-install", ["uninstall"]),
        ("uninstalling", ["uninstall"]),
        ("pending-upgrade", ["rollback"]),
        ("pending-rollback", ["rollback"]),
    ],
)
def test_a_release_that_helm_was_killed_over_is_freed_before_it_is_installed(
    left: str, freed_by: list[str], api: Api
) -> None:
    api.release = left
    install.stack(CLUSTER, dict.fromkeys(("services", "mysql", "redis", "rabbitmq", "operator"), "image"))
    assert [command.split()[0] for command in api.commands] == [*freed_by, "upgrade"]
    assert all(f"--namespace {NAMESPACE}" in command for command in api.commands)
    assert not api.unlocked


def test_a_release_of_the_same_chart_and_values_is_left_as_it_is(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content, "digest", lambda *_: "0123456789")
    api.release, api.made_of = "deployed", "0123456789"
    install.stack(CLUSTER, dict.fromkeys(("services", "mysql", "redis", "rabbitmq", "operator"), "image"))
    assert api.commands == []
