"""Every document of two stacks and a queue of three, as YAML to be read. `HCS_UPDATE_GOLDEN=1` writes it anew; the diff is
the review.
"""

import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.unit.build.stacks import FULL, QUEUE_OF_THREE, context, stack

from hcs_operator.api.labels import COMPONENT
from hcs_operator.api.names import QUEUE
from hcs_operator.build import desired

GOLDEN = Path(__file__).parents[2] / "golden"
CASES: dict[str, tuple[dict[str, Any], dict[str, int | None]]] = {
    "smallest": ({}, {"worker": None, "replica": None}),
    "full": (FULL, {"worker": 3, "replica": 2}),
    "queue-of-three": (QUEUE_OF_THREE, {"worker": None, "replica": None}),
}
ONLY = {"queue-of-three": QUEUE}
"""Of these only one component's documents: the others are those of the smallest."""


class _Block(yaml.SafeDumper):
    """Texts of several lines as blocks, so that a changed setting is one changed line; nothing by reference."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Block.add_representer(str, _text)


def rendered(case: str) -> str:
    spec, counts = CASES[case]
    parts = []
    for item in desired(stack(spec), context(**counts)):
        if case in ONLY and item.document["metadata"]["labels"][COMPONENT] != ONLY[case]:
            continue
        metadata = {
            key: item.document["metadata"][key] for key in ("name", "annotations") if key in item.document["metadata"]
        }
        document = {**item.document, "metadata": metadata}  # labels and owner are alike everywhere: see test_documents
        text = yaml.dump(document, Dumper=_Block, sort_keys=False, width=140, default_flow_style=None)
        parts.append(f"# {item.tier.name}\n{text}")
    return "---\n".join(parts)


@pytest.mark.parametrize("case", CASES)
def test_the_documents_are_those_that_were_reviewed(case: str) -> None:
    file = GOLDEN / f"{case}.yaml"
    found = rendered(case)
    if os.environ.get("HCS_UPDATE_GOLDEN"):
        file.write_text(found)
    assert file.read_text() == found, f"{file} differs: HCS_UPDATE_GOLDEN=1 writes it anew, then read the diff"


@pytest.mark.parametrize("case", CASES)
def test_the_same_stack_gives_the_same_bytes(case: str) -> None:
    assert rendered(case) == rendered(case)
