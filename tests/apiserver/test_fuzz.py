"""Whatever is written into a resource, the operator goes on and the neighbours do not notice.

Specs are drawn from the schema of the definition itself: valid ones, and valid ones with one value of a wrong type or size. The API
server turns many away, which is an answer too; each that it takes is looked at by the operator beside a stack that must stay Ready.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from hcs_operator.kube.errors import Refused

from .conftest import CRD
from .stage import Stage

pytestmark = pytest.mark.apiserver

EXAMPLES = 40
WRONG: st.SearchStrategy[Any] = st.sampled_from(
    [None, -1, 2**40, "", "x" * 300, [], {}, True, 0.5, "\u0000", "-5Gi", "999999h"]
)


DURATIONS = st.sampled_from(["100ms", "5s", "30s", "1m30s", "10m", "1h"])
QUANTITIES = st.sampled_from(["100m", "1", "64Mi", "1Gi", "2G"])
PARTS = 3
"""Fields of a spec drawn at most: one with all of them breaks some rule nearly always."""


def drawn(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Return values of a structural schema, as the API server's validation describes it."""
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    kinds: dict[str, Callable[[dict[str, Any]], st.SearchStrategy[Any]]] = {
        "object": drawn_object,
        "array": lambda it: st.lists(drawn(it["items"]), min_size=it.get("minItems", 0), max_size=2),
        "integer": lambda it: st.integers(int(it.get("minimum", 0)), int(it.get("maximum", 100))),
        "number": lambda it: st.integers(1, 100).map(lambda part: min(part / 100, it.get("maximum", 1))),
        "boolean": lambda _: st.booleans(),
        "string": drawn_text,
    }
    return kinds[schema.get("type", "string")](schema)


def drawn_object(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    if "properties" in schema:
        fields = {name: drawn(inner) for name, inner in schema["properties"].items()}
        if {"requests", "limits"} <= fields.keys():
            fields = dict.fromkeys(fields, st.dictionaries(st.sampled_from(["cpu", "memory"]), QUANTITIES))
        required = {name: fields.pop(name) for name in schema.get("required", ()) if name in fields}
        return st.fixed_dictionaries(required, optional=fields)
    inner = schema.get("additionalProperties")
    keys = st.from_regex(r"[a-z]{1,8}", fullmatch=True)
    return st.dictionaries(keys, drawn(inner), max_size=2) if isinstance(inner, dict) else st.just({})


def drawn_text(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    pattern, longest = schema.get("pattern", ""), schema.get("maxLength", 99)
    if "|h)" in pattern:
        return DURATIONS
    if "Mi" in pattern:
        return QUANTITIES
    if pattern:
        return st.from_regex(pattern, fullmatch=True).filter(lambda text: len(text) <= longest)
    return st.text("abc-0", min_size=schema.get("minLength", 0), max_size=20)


@st.composite
def spoiled(draw: st.DrawFn, valid: st.SearchStrategy[Any]) -> Any:
    """Return a valid value with one wrong one somewhere inside."""
    spec = draw(valid)
    place = spec
    while isinstance(place, dict) and place:
        name = draw(st.sampled_from(sorted(place)))
        if not isinstance(place[name], dict) or not place[name] or draw(st.booleans()):
            place[name] = draw(WRONG)
            return spec
        place = place[name]
    return spec


def specs() -> list[Any]:
    definition = yaml.safe_load(CRD.read_text())
    schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    fields = {name: drawn(inner) for name, inner in schema["properties"].items()}
    valid = st.lists(st.sampled_from(sorted(fields)), unique=True, min_size=1, max_size=PARTS).flatmap(
        lambda names: st.fixed_dictionaries({name: fields[name] for name in names})
    )
    found: list[Any] = []
    checks = list(HealthCheck)

    @seed(1)
    @settings(max_examples=EXAMPLES, database=None, phases=[Phase.generate], suppress_health_check=checks)
    @given(valid | spoiled(valid))
    def collect(spec: Any) -> None:
        found.append(spec)

    collect()
    return found


async def test_no_spec_crashes_the_operator_or_disturbs_a_neighbour(stage: Stage) -> None:
    process = stage.operator()
    await stage.create("neighbour", autoscaling={"workers": {"minReplicas": 1}})  # its own count never moves
    await stage.ready("neighbour")
    before = await _versions(stage, "neighbour")
    kinds = {name.partition("/")[0] for name in before}
    assert {"Deployment", "StatefulSet", "Job", "Service", "ConfigMap", "Secret", "NetworkPolicy"} <= kinds
    taken = []
    for number, spec in enumerate(specs()):
        name = f"fuzz-{number}"
        try:
            await stage.create(name, **spec)
        except (Refused, TypeError):
            continue
        taken.append(name)

        async def answered(name: str = name) -> bool:
            status = (await stage.stack(name)).get("status") or {}
            return status.get("observedGeneration") == 1

        await stage.until(answered, 30, f"{name} is answered: {spec}")
        await stage.remove("HighConcurrencyStack", name)
    await asyncio.sleep(1)
    assert len(taken) >= EXAMPLES // 4, f"the API server took {len(taken)} of {EXAMPLES}: draw better"
    assert process.is_alive()
    assert "look_broke" not in stage.logs()
    assert await _versions(stage, "neighbour") == before
    assert (await stage.condition("Ready", "neighbour"))["status"] == "True"


async def _versions(stage: Stage, name: str) -> dict[str, tuple[str, str]]:
    """Of each child of a stack which object it is, and which version: what its controller writes as status is none."""
    return {
        child: (item["metadata"]["uid"], str(item["metadata"].get("generation", item["metadata"]["resourceVersion"])))
        for child, item in (await stage.children(name)).items()
    }
