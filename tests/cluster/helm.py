"""Helm as a user calls it, and the operator's release as it was found."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass

from tests.cluster.conftest import OPERATOR_NAMESPACE, ROOT
from tests.cluster.kubectl import CommandFailed, Kubectl

RELEASE = "hcs"
CHART = str(ROOT / "charts" / "hcs-operator")
WAIT = ("--wait", "--timeout=300s")


@dataclass(frozen=True)
class Release:
    """The operator's release: its values as YAML, and its description, by which `make up` knows what it is made of."""

    values: str
    description: str


def helm(kubectl: Kubectl, *arguments: str, stdin: str | None = None) -> str:
    """What helm printed, called for the operator's namespace. Raises CommandFailed with its own words."""
    program = shutil.which("helm", path=os.environ.get("HCS_TEST_PATH", os.environ["PATH"]))
    assert program, "helm is not on PATH"
    command = [program, "--kubeconfig", str(kubectl.kubeconfig), "--namespace", OPERATOR_NAMESPACE, *arguments]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, timeout=330)
    if done.returncode:
        raise CommandFailed(f"helm {' '.join(arguments)}: {done.stderr}")
    return done.stdout


def found(kubectl: Kubectl) -> Release:
    """The release as it is now."""
    status = json.loads(helm(kubectl, "status", RELEASE, "--output=json"))
    return Release(helm(kubectl, "get", "values", RELEASE, "--output=yaml"), status["info"]["description"])


def put_back(kubectl: Kubectl, release: Release) -> None:
    """Upgrades to a release that was found earlier, whatever was set since."""
    described = f"--description={release.description}"
    helm(kubectl, "upgrade", RELEASE, CHART, "--reset-values", "--values=-", described, *WAIT, stdin=release.values)
