"""The stack's chart: one custom resource, from values."""

from pathlib import Path

import pytest
import yaml
from tests.unit.charts.rendering import ROOT, STACK, refusal, rendered

from hcs_operator.api.spec import Stack, parse_stack

EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))


def test_a_release_without_values_is_the_smallest_stack() -> None:
    found = rendered(STACK, name="shop", namespace="shops")
    [document] = found.values()
    assert (document["kind"], document["metadata"]["name"]) == ("HighConcurrencyStack", "shop")
    assert (document["metadata"]["namespace"], document["spec"]) == ("shops", {})


def test_the_spec_is_passed_on_as_it_is() -> None:
    spec = {"cache": {"maxMemory": "1Gi"}, "workers": {"handlers": {"email": {"url": "smtp://mail"}}}}
    assert rendered(STACK, {"spec": spec, "name": "other"})["HighConcurrencyStack/other"]["spec"] == spec


def test_labels_and_annotations_are_added() -> None:
    values = {"labels": {"team": "a"}, "annotations": {"note": "b"}}
    metadata = rendered(STACK, values)["HighConcurrencyStack/hcs"]["metadata"]
    assert metadata["labels"]["team"] == "a"
    assert metadata["annotations"] == {"note": "b"}


@pytest.mark.parametrize("values", [{"name": "Shop"}, {"name": "a" * 41}, {"gateway": {}}, {"spec": []}])
def test_what_is_no_value_is_refused(values: dict[str, object]) -> None:
    assert next(iter(values)) in refusal(STACK, values)


def stacks(file: Path) -> list[dict[str, object]]:
    """The resources in an example: its own, or those that the chart makes of it."""
    documents = [document for document in yaml.safe_load_all(file.read_text()) if document]
    if all("kind" not in document for document in documents):
        return list(rendered(STACK, documents[0], name=file.stem).values())
    return [document for document in documents if document["kind"] == "HighConcurrencyStack"]


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.name)
def test_every_example_can_be_read_by_the_operator(file: Path) -> None:
    for document in stacks(file):
        metadata = {"namespace": "shop", "uid": "u", **document["metadata"]}  # type: ignore[dict-item]
        parsed = parse_stack({**document, "metadata": metadata})
        assert isinstance(parsed, Stack), parsed
        assert parsed.spec.model_dump(by_alias=True, exclude_unset=True, mode="json").keys() == document["spec"].keys()  # type: ignore[attr-defined]
