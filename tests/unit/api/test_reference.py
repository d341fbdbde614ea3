"""docs/reference.md is made from the schema; that it is fresh is checked with the other generated files."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hack.reference import Row, document, rows

from hcs_operator.api.crd import definition

pytestmark = pytest.mark.unit

ROOT: dict[str, Any] = definition()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


def _leaves(schema: Mapping[str, Any], path: str) -> Iterator[tuple[str, Any]]:
    for name, field in schema["properties"].items():
        if "properties" in field:
            yield from _leaves(field, f"{path}.{name}")
        elif "default" in field:
            yield f"{path}.{name}", field["default"]


def _defaults(page: str) -> dict[str, str]:
    """The default of each row, by the field's whole path."""
    found, block = {}, ""
    for line in page.splitlines():
        if line.startswith("## "):
            block = line.removeprefix("## ")
        elif line.startswith("| `"):
            field, _, default = line.replace("\\|", "").split(" | ")[:3]
            found[f"{block}.{field.removeprefix('| ').strip('`')}"] = default
    return found


def test_every_default_of_the_schema_is_on_the_page() -> None:
    shown = _defaults(document(ROOT))
    expected = {
        path: f"`{str(value).lower() if isinstance(value, bool) else value}`"
        for path, value in _leaves(ROOT["properties"]["spec"], "spec")
        if value != "" and (".template." not in path or path.startswith("spec.template"))
    }
    assert len(expected) > 40
    assert expected == {path: shown.get(path) for path in expected}


def test_a_nested_field_has_its_path_its_bounds_and_what_is_refused() -> None:
    field = {
        "type": "number",
        "minimum": 0,
        "exclusiveMinimum": True,
        "maximum": 1,
        "default": 0.5,
        "description": "Share of <calls> a|b.",
        "x-kubernetes-validations": [{"rule": "true", "message": "write less"}],
    }
    inner = {"type": "object", "description": "Inner.", "required": ["share"], "properties": {"share": field}}
    found = list(rows({"properties": {"list": {"type": "array", "description": "All.", "items": inner}}}, {}))
    assert found == [
        Row("list", "list", "empty", "All."),
        Row("list[].share", "number above 0, at most 1", "*required*", "Share of &lt;calls> a\\|b. *write less*."),
    ]


def test_a_block_that_has_a_table_of_its_own_is_named_and_not_repeated() -> None:
    block = {"type": "object", "description": "Pods.", "properties": {"labels": {"type": "object"}}}
    found = list(rows({"properties": {"template": block}}, {"template": block}))
    assert found == [Row("template", "as [spec.template](#spectemplate)", "none", "Pods.")]
