"""Prints docs/reference.md: every field of the resource's spec with its values and its default, as the CRD has them,
and the containers' resources, as the builders set them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from hcs_operator.api.crd import definition
from hcs_operator.api.labels import COMPONENT
from hcs_operator.api.spec import Stack, StackSpec
from hcs_operator.build import Context, desired

Schema = Mapping[str, Any]

_HEAD = """# Reference of `spec`

Made from the code by `make generate`: a table for each block of the spec, each field by its path below the block.
`[]` stands for every element of a list. Nothing has to be set but what is *required* in a block that is there;
*unset* has no default, and the description says what happens then. In italics is what the API server says to a value
that it refuses. A time is numbers with units, such as `500ms`, `30s` or `1h30m`.
"""
_FORMS = {"^([0-9]+(ms|s|m|h))+$": "time", "^[1-9][0-9]*(Ki|Mi|Gi|Ti|k|M|G|T)?$": "size, such as `10Gi`"}
_IMAGES = ("services", "mysql", "redis", "rabbitmq", "agent")


class Row(NamedTuple):
    """One field, in Markdown; `field` is the dotted path below its block."""

    field: str
    values: str
    default: str
    description: str


def document(root: Schema) -> str:
    """Return the whole page of a resource's structural schema, in the order of its fields."""
    spec = root["properties"]["spec"]
    blocks = {name: field for name, field in spec["properties"].items() if "properties" in field}
    alone = {name: field for name, field in spec["properties"].items() if name not in blocks}
    lines = [_HEAD, *_section("spec", {**root, **spec, "properties": alone}, {})]
    for name, block in blocks.items():
        others = {title: other for title, other in blocks.items() if title != name}
        lines += _section(f"spec.{name}", block, others)
    return "\n".join([*lines, *_sizes()])


def rows(block: Schema, shared: Mapping[str, Schema], prefix: str = "") -> Iterator[Row]:
    """Yield a block's fields, each followed by those below it; a block that is `shared` is named, not repeated."""
    for name, field in block["properties"].items():
        path = f"{prefix}{name}"
        same = next((title for title, other in shared.items() if _same(field, other)), None)
        if same:
            yield Row(path, f"as [spec.{same}](#spec{same.lower()})", "none", _words(field))
            continue
        yield Row(path, _values(field), _default(name, field, block), _words(field))
        if "properties" in field:
            yield from rows(field, shared, f"{path}.")
        if "properties" in field.get("items", {}):
            yield from rows(field["items"], shared, f"{path}[].")


def _same(field: Schema, other: Schema) -> bool:
    return "properties" in field and field["properties"] == other["properties"]


def _section(title: str, block: Schema, shared: Mapping[str, Schema]) -> list[str]:
    asked = [f"- *{_cell(message)}*" for message in _asked(block)]
    cells = [(f"`{row.field}`", *row[1:]) for row in rows(block, shared)]
    table = _table(("field", "values", "default", "description"), cells)
    return [f"## {title}", "", _cell(block["description"]), "", *asked, *([""] if asked else []), *table, ""]


def _values(field: Schema) -> str:
    if "enum" in field:
        return " or ".join(f"`{value}`" for value in field["enum"])
    if "properties" in field:
        return "block"
    if field["type"] == "array":
        return f"list{_bounds(field, 'Items', 'elements')}{_each(field['items'])}"
    if "additionalProperties" in field:
        return f"map{_bounds(field, 'Properties', 'entries')}{_each(field['additionalProperties'])}"
    if field["type"] == "string":
        return _text(field)
    return f"{field['type']}{_range(field)}" if "minimum" in field else field["type"]


def _range(field: Schema) -> str:
    if field.get("exclusiveMinimum"):
        return f" above {field['minimum']}, at most {field['maximum']}"
    return f" from {field['minimum']} to {field['maximum']}"


def _text(field: Schema) -> str:
    pattern = field.get("pattern")
    if pattern in _FORMS:
        return _FORMS[pattern]
    return f"string{_bounds(field, 'Length', 'characters')}{f', matching `{_cell(pattern)}`' if pattern else ''}"


def _bounds(field: Schema, of: str, unit: str) -> str:
    lowest, highest = field.get(f"min{of}"), field.get(f"max{of}")
    return f" of {f'{lowest} to' if lowest else 'at most'} {highest} {unit}" if highest else ""


def _each(element: Schema) -> str:
    """What a list or a map is made of; the fields of a block have rows of their own."""
    return "" if "properties" in element else f", each {_values(element)}"


def _default(name: str, field: Schema, block: Schema) -> str:
    if name in block.get("required", ()):
        return "*required*"
    if "properties" in field:
        return "as below" if "default" in field else "unset"
    if "default" in field:
        plain = isinstance(field["default"], str) and field["default"]
        return f"`{plain or json.dumps(field['default'])}`"
    return "empty" if field["type"] in ("array", "object") else "unset"


def _words(field: Schema) -> str:
    """The description, then what the rules of the field and of its elements ask for."""
    asked = dict.fromkeys([*_asked(field), *_asked(field.get("items", {}))])
    return " ".join([_prose(field["description"]), *(f"*{_prose(message)}*." for message in asked)])


def _asked(field: Schema) -> list[str]:
    return [rule["message"] for rule in field.get("x-kubernetes-validations", ())]


def _prose(text: str) -> str:
    return _cell(text).replace("<", "&lt;")


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _sizes() -> list[str]:
    """What the containers of the smallest stack ask for."""
    stack = Stack("reference", "reference", "0", 1, StackSpec())
    made = [item.document for item in desired(stack, Context(images=dict.fromkeys(_IMAGES, "image")))]
    cells = [
        (metadata["labels"][COMPONENT], container["name"], *map(_amounts, _of(container["resources"])))
        for metadata, template in ((child["metadata"], child["spec"].get("template")) for child in made if _runs(child))
        for container in template["spec"]["containers"]
    ]
    words = "What a container gets where `resources` names nothing else; the cache's memory follows `cache.maxMemory`."
    return ["## Resources", "", words, "", *_table(("component", "container", "requests", "limits"), cells), ""]


def _runs(child: Mapping[str, Any]) -> bool:
    return child["kind"] in ("Deployment", "StatefulSet")


def _of(resources: Mapping[str, Any]) -> tuple[Mapping[str, str], Mapping[str, str]]:
    return resources["requests"], resources["limits"]


def _amounts(amounts: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {amount}" for name, amount in amounts.items())


def _table(head: Sequence[str], body: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *body)]


def main() -> None:
    """Print the page."""
    print(document(definition()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]), end="")


if __name__ == "__main__":
    main()
