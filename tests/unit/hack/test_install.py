"""What `make up` put into a cluster of the user's goes again, and nothing else does."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hack.cluster import install
from hack.cluster.install import NAMESPACE, OPERATOR_NAMESPACE, Cluster

pytestmark = pytest.mark.unit

CLUSTER = Cluster(Path("/programs"), Path("/kubeconfig"))


@dataclass
class Api:
    """Stands for kubectl and helm: keeps namespaces (name → labels) and every other command as it was given."""

    namespaces: dict[str, dict[str, str]] = field(default_factory=dict)
    commands: list[str] = field(default_factory=list)

    def run(self, *words: str | Path, stdin: str | None = None, env: object = None) -> str:
        """Answers as kubectl would for a namespace, and with nothing for all else."""
        text = " ".join(str(word) for word in words[3:])
        if "get namespace" in text:
            name = text.partition("get namespace ")[2].split()[0]
            found = self.namespaces.get(name)
            return "" if found is None else json.dumps({"metadata": {"name": name, "labels": found}})
        if stdin and json.loads(stdin)["kind"] == "Namespace":
            metadata = json.loads(stdin)["metadata"]
            self.namespaces[metadata["name"]] = metadata["labels"]
        self.commands.append(text)
        return ""


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Api:
    """The cluster's side of every command."""
    fake = Api()
    monkeypatch.setattr(install, "run", fake.run)
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
