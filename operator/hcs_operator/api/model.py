"""What every model of the custom resource shares: frozen, camelCase outside, docstrings as descriptions."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

Name = Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]
"""A DNS label."""
Text = Annotated[str, Field(min_length=1, max_length=253)]
OpenObject = dict[str, Any]
"""An object of the Kubernetes API that the API server checks when the pod is made, not this schema."""


class Model(BaseModel):
    """Base of the resource's models. Stored objects may carry fields of another version: those are ignored."""

    model_config = ConfigDict(
        frozen=True,
        alias_generator=to_camel,
        populate_by_name=True,
        extra="ignore",
        use_attribute_docstrings=True,
    )


def rules(*pairs: tuple[str, str]) -> dict[str, Any]:
    """CEL rules of a schema, as (rule, message) pairs; the message says what to write instead."""
    return {"x-kubernetes-validations": [{"rule": rule, "message": message} for rule, message in pairs]}


def map_by(key: str) -> dict[str, Any]:
    """Marks a list whose elements are told apart by a key, so that several owners can each have some of them."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [key]}
