"""Generates the CustomResourceDefinition from the models: `python -m hcs_operator.api.crd > crds/…yaml`.

A structural schema is narrower than JSON Schema: no `$ref`, no null type, no boolean-free exclusive bounds, no unknown
keywords. What the models can say and a structural schema cannot is refused here, loudly, not dropped.
"""

import sys
from collections.abc import Mapping
from typing import Any

import yaml
from pydantic import BaseModel

from hcs_operator.api.model import rules
from hcs_operator.api.names import LONGEST_STACK_NAME
from hcs_operator.api.spec import StackSpec
from hcs_operator.api.status import StackStatus

GROUP, VERSION, KIND = "highconcurrency.dev", "v1alpha1", "HighConcurrencyStack"
PLURAL = "highconcurrencystacks"

_KEPT = {
    *("type", "format", "description", "default", "enum", "pattern", "minimum", "maximum", "exclusiveMinimum"),
    *("minLength", "maxLength", "minItems", "maxItems", "maxProperties", "required"),
    *("x-kubernetes-validations", "x-kubernetes-list-type", "x-kubernetes-list-map-keys"),
}
_DROPPED = {"title", "$defs"}


class NotStructural(ValueError):
    """A model says something that a structural schema cannot; carries where and what."""


def definition() -> dict[str, Any]:
    """The whole CustomResourceDefinition."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{PLURAL}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "names": {
                "kind": KIND,
                "listKind": f"{KIND}List",
                "plural": PLURAL,
                "singular": KIND.lower(),
                "shortNames": ["hcs"],
                "categories": ["all"],
            },
            "scope": "Namespaced",
            "versions": [_version()],
        },
    }


def _version() -> dict[str, Any]:
    return {
        "name": VERSION,
        "served": True,
        "storage": True,
        "subresources": {
            "status": {},
            "scale": {
                "specReplicasPath": ".spec.workers.replicas",
                "statusReplicasPath": ".status.workers.current",
                "labelSelectorPath": ".status.workers.selector",
            },
        },
        "additionalPrinterColumns": [_column(*column) for column in _COLUMNS],
        "schema": {"openAPIV3Schema": _root()},
    }


_COLUMNS: tuple[tuple[str, str, int], ...] = (
    ("Ready", '.status.conditions[?(@.type=="Ready")].status', 0),
    ("Phase", ".status.phase", 0),
    ("Primary", ".status.database.currentPrimary", 0),
    ("Workers", ".status.workers.current", 0),
    ("Replicas", ".status.readReplicas.current", 0),
    ("Queue", ".status.workers.signal", 0),
    ("Hit rate", ".status.readReplicas.signal", 0),
    ("Age", ".metadata.creationTimestamp", 0),
    ("Message", '.status.conditions[?(@.type=="Ready")].message', 1),
)


def _column(name: str, path: str, priority: int) -> dict[str, Any]:
    kind = {"Age": "date", "Workers": "integer", "Replicas": "integer"}.get(name, "string")
    return {"name": name, "type": kind, "jsonPath": path, **({"priority": priority} if priority else {})}


def _root() -> dict[str, Any]:
    return {
        "type": "object",
        "description": "A read/write-split system that heals and scales itself.",
        "required": ["spec"],
        **rules(
            (
                f"size(self.metadata.name) <= {LONGEST_STACK_NAME}",
                f"the name may have at most {LONGEST_STACK_NAME} characters: shorten it",
            ),
            (
                "self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
                "the name must be a DNS label that begins with a letter: use lower-case letters, digits and hyphens",
            ),
            *map(_only_grows, ("database", "readReplicas", "queue")),
        ),
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": structural(StackSpec),
            "status": _optional(structural(StackStatus)),
        },
    }


def _only_grows(engine: str) -> tuple[str, str]:
    """The rule that a size is not below what its volumes have; growth that was refused can be taken back."""
    known = f"has(self.status) && has(self.status.volumes) && has(self.status.volumes.{engine})"
    smaller = f"quantity(self.spec.{engine}.storage.size).isLessThan(quantity(self.status.volumes.{engine}))"
    words = f"volumes only grow: set spec.{engine}.storage.size to status.volumes.{engine} or more"
    return f"!({known}) || !{smaller}", words


def structural(model: type[BaseModel]) -> dict[str, Any]:
    """A model's structural schema. Raises NotStructural."""
    schema = model.model_json_schema(by_alias=True)
    return _convert(schema, schema.get("$defs", {}), model.__name__)


def _convert(schema: Mapping[str, Any], defs: Mapping[str, Any], place: str) -> dict[str, Any]:
    merged = _without_null(_inlined(schema, defs), defs, place)
    result: dict[str, Any] = {}
    for key, value in merged.items():
        if key in _DROPPED or (key == "default" and value is None):
            continue
        if key == "const":
            result["enum"] = [value]
        elif key == "properties":
            result[key] = {name: _convert(child, defs, f"{place}.{name}") for name, child in value.items()}
        elif key == "items":
            result[key] = _convert(value, defs, f"{place}[]")
        elif key == "additionalProperties":
            result |= _map(value, defs, place)
        elif key in _KEPT:
            result[key] = value
        else:
            raise NotStructural(f"{place}: {key} has no place in a structural schema")
    return _with_defaults(_with_bounds(result))


def _inlined(schema: Mapping[str, Any], defs: Mapping[str, Any]) -> dict[str, Any]:
    """A reference replaced by what it names; what stands beside it wins."""
    if "$ref" not in schema:
        return dict(schema)
    target = defs[schema["$ref"].rpartition("/")[2]]
    return {**_inlined(target, defs), **{key: value for key, value in schema.items() if key != "$ref"}}


def _without_null(schema: dict[str, Any], defs: Mapping[str, Any], place: str) -> dict[str, Any]:
    """`X | None` is X that may be absent: a structural schema knows no null."""
    if "anyOf" not in schema:
        return schema
    choices = [choice for choice in schema.pop("anyOf") if choice != {"type": "null"}]
    if len(choices) != 1:
        raise NotStructural(f"{place}: a choice of {len(choices)} types")
    return {**_inlined(choices[0], defs), **schema}


def _map(value: Any, defs: Mapping[str, Any], place: str) -> dict[str, Any]:
    if value is True:
        return {"x-kubernetes-preserve-unknown-fields": True}
    return {"additionalProperties": _convert(value, defs, f"{place}{{}}")}


def _with_bounds(schema: dict[str, Any]) -> dict[str, Any]:
    """OpenAPI 3.0 says exclusive by a flag beside the bound."""
    if not isinstance(schema.get("exclusiveMinimum", True), bool):
        return {**schema, "minimum": schema["exclusiveMinimum"], "exclusiveMinimum": True}
    return schema


def _with_defaults(schema: dict[str, Any]) -> dict[str, Any]:
    """A parent defaults to its fields' defaults: rules judge a default before the fields' own are filled in."""
    if "properties" in schema and "default" in schema:
        return {**schema, "default": _present(schema["default"])}
    if schema.get("default") in ([], {}, ()):
        return {key: value for key, value in schema.items() if key != "default"}
    return schema


def _present(default: Any) -> Any:
    """A default without what is null or empty."""
    if not isinstance(default, dict):
        return default
    return {key: _present(value) for key, value in default.items() if value not in (None, [], {}, (), "")}


def _optional(schema: Any) -> Any:
    """Status is written piece by piece: nothing in it is required but the keys of its lists."""
    if not isinstance(schema, dict):
        return schema
    result = {key: _optional(value) for key, value in schema.items() if key != "required"}
    if "items" in result and "x-kubernetes-list-map-keys" in result:
        result["items"]["required"] = result["x-kubernetes-list-map-keys"]
    return result


def main() -> None:
    """Print the definition."""
    sys.stdout.write(yaml.safe_dump(definition(), sort_keys=False, width=120))


if __name__ == "__main__":
    main()
