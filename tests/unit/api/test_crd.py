"""The generated definition is structural, documented, small, and the one in the tree."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
import yaml
from pydantic import BaseModel

from hcs_operator.api.crd import NotStructural, definition, structural
from hcs_operator.api.spec import StackSpec

ROOT = Path(__file__).parents[3]
CRD = "highconcurrencystacks.yaml"


def schemas(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema inside a schema, with its path."""
    yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from schemas(child, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield from schemas(schema[key], f"{path}[]")


def whole() -> dict[str, Any]:
    found: dict[str, Any] = definition()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return found


@pytest.mark.parametrize("file", [ROOT / "crds" / CRD, ROOT / "charts" / "hcs-operator" / "files" / CRD], ids=str)
def test_the_file_in_the_tree_is_the_generated_one(file: Path) -> None:
    assert yaml.safe_load(file.read_text()) == definition(), "run `make generate`"


def test_it_is_far_from_the_limit_of_an_annotation() -> None:
    assert len((ROOT / "crds" / CRD).read_bytes()) < 200 * 1024


def test_every_field_is_described() -> None:
    own = {".apiVersion", ".kind", ".metadata", ".spec", ".status"}
    undescribed = [
        path
        for path, schema in schemas(whole())
        if path and path not in own and not path.endswith("[]") and not schema.get("description")
    ]
    assert not undescribed


def test_descriptions_are_sentences() -> None:
    for path, schema in schemas(whole()["properties"]["spec"], "spec"):
        text = schema.get("description", "A.")
        assert text[-1] in ".)", f"{path}: {text}"


def test_lists_and_texts_are_bounded_so_that_rules_stay_cheap() -> None:
    for path, schema in schemas(whole()["properties"]["spec"], "spec"):
        if schema.get("type") == "array":
            assert "maxItems" in schema, path
        if schema.get("type") == "string" and "enum" not in schema:
            assert "maxLength" in schema or path.endswith("[]"), path


def test_a_parents_default_is_made_of_its_fields_defaults() -> None:
    for path, schema in schemas(whole()["properties"]["spec"], "spec"):
        for name, value in schema.get("default", {}).items() if "properties" in schema else ():
            assert schema["properties"][name]["default"] == value, f"{path}.{name}"


def test_every_block_that_may_be_left_out_has_a_default() -> None:
    optional = {"email", "payment"}
    for name, schema in whole()["properties"]["spec"]["properties"].items():
        assert "default" in schema or name in optional or not _has_defaults(schema), name


def _has_defaults(schema: dict[str, Any]) -> bool:
    return any("default" in child for child in schema.get("properties", {}).values())


def test_defaults_are_those_of_the_models() -> None:
    spec = structural(StackSpec)
    assert spec["properties"]["paused"]["default"] is False
    assert spec["properties"]["autoscaling"]["properties"]["mode"]["default"] == "Auto"


def test_nothing_is_left_of_json_schema_that_a_structural_schema_does_not_know() -> None:
    for path, schema in schemas(whole()):
        assert not {"$ref", "$defs", "anyOf", "allOf", "oneOf", "const", "title"} & schema.keys(), path
        assert schema.get("type") != "null", path
        assert schema.get("default", 0) is not None, path


class Choice(BaseModel):
    either: int | str


class Constant(BaseModel):
    kind: Literal["x"]


def test_a_choice_of_types_is_refused_loudly() -> None:
    with pytest.raises(NotStructural, match=r"Choice\.either: a choice of 2 types"):
        structural(Choice)


def test_a_constant_becomes_an_enumeration() -> None:
    assert structural(Constant)["properties"]["kind"]["enum"] == ["x"]
