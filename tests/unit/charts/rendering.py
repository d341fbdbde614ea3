"""Charts as `helm template` renders them."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[3]
OPERATOR, STACK = ROOT / "charts" / "hcs-operator", ROOT / "charts" / "hcs-stack"


def helm() -> str:
    """The helm that the cluster tooling built, or the one on PATH; a missing one fails the test in words."""
    cache = Path(os.environ.get("HCS_CACHE") or Path.home() / ".cache" / "hcs")
    built = sorted(str(path) for path in (cache / "bin").glob("*/helm"))
    found = (
        shutil.which("helm", path=os.environ.get("HCS_TEST_PATH")) or shutil.which("helm") or next(iter(built), None)
    )
    assert found, f"helm is neither on PATH nor under {cache}/bin: run `make up` once, or install it"
    return found


def template(
    chart: Path, values: dict[str, Any] | None = None, *, name: str = "hcs", namespace: str = "hcs-system"
) -> subprocess.CompletedProcess[str]:
    """The rendering, as it came."""
    command = [helm(), "template", name, str(chart), f"--namespace={namespace}", "--values=-", "--kube-version=1.34.0"]
    return subprocess.run(
        command, input=yaml.safe_dump(values or {}), capture_output=True, text=True, check=False, timeout=60
    )


def rendered(chart: Path, values: dict[str, Any] | None = None, **options: str) -> dict[str, dict[str, Any]]:
    """Documents by `Kind/name`."""
    done = template(chart, values, **options)
    assert done.returncode == 0, done.stderr
    documents = [document for document in yaml.safe_load_all(done.stdout) if document]
    found = {}
    for document in documents:
        space = document["metadata"].get("namespace", "")
        key = f"{document['kind']}/{document['metadata']['name']}"
        found[f"{key} in {space}" if document["kind"] in {"Role", "RoleBinding"} else key] = document
    return found


def refusal(chart: Path, values: dict[str, Any]) -> str:
    """What helm says of values that the schema refuses."""
    done = template(chart, values)
    assert done.returncode != 0, "helm took the values"
    return done.stderr
