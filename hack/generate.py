"""Writes the files that are made from code: `python3 -m hack.generate`; with `--check`, says which of them are
stale.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from hack import venv
from hack.cluster import places
from hack.cluster.console import Refusal, die, say
from hack.cluster.shell import CommandFailed, run

_CRD = "highconcurrencystacks.yaml"
# The module that prints a file, and where the file stands. The CRD stands twice: for `kubectl apply`, and in the chart,
# which can only read files of its own.
GENERATED: dict[str, tuple[Path, ...]] = {
    "hcs_operator.api.crd": (
        places.ROOT / "crds" / _CRD,
        places.ROOT / "charts" / "hcs-operator" / "files" / _CRD,
    ),
    "hack.metrics": (places.ROOT / "docs" / "metrics.md",),
    "hack.reference": (places.ROOT / "docs" / "reference.md",),
}
_PATH = os.pathsep.join(str(places.ROOT / folder) for folder in ("operator", "services"))


def main(arguments: list[str]) -> None:
    """Compares or writes each generated file."""
    python = venv.ensure() / "python"
    stale = []
    for module, files in GENERATED.items():
        text = run(python, "-m", module, cwd=places.ROOT, env={"PYTHONPATH": _PATH})
        for file in files:
            if file.exists() and file.read_text() == text:
                continue
            stale.append(file.relative_to(places.ROOT))
            if "--check" not in arguments:
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text)
                say(f"written: {stale[-1]}")
    if stale and "--check" in arguments:
        die(f"stale, run `make generate`: {', '.join(map(str, stale))}")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (CommandFailed, Refusal) as error:
        die(str(error))
