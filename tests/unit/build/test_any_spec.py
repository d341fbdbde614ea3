"""Whatever a spec says that the schema lets pass, its documents can be built, the same each time."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tests.unit.build.stacks import FULL, context, stack

from hcs_operator.build import desired

QUANTITY = st.from_regex(r"[1-9][0-9]{0,3}(\.[0-9])?(Ki|Mi|Gi|k|M|G|m|e[0-9])?", fullmatch=True)
RESOURCES = st.fixed_dictionaries(
    {},
    optional={
        side: st.dictionaries(st.sampled_from(["cpu", "memory"]), QUANTITY, max_size=2)
        for side in ("requests", "limits")
    },
)
BLOCKS = st.sets(st.sampled_from(sorted(FULL)))
SIZED = st.sampled_from(["gateway", "writeApi", "workers", "database", "readReplicas", "cache", "queue"])


def documents(spec: dict[str, Any]) -> str:
    return json.dumps([item.document for item in desired(stack(spec), context(worker=1))])


@given(BLOCKS, SIZED, RESOURCES)
def test_any_mixture_of_blocks_and_sizes_can_be_built(blocks: set[str], sized: str, resources: dict[str, Any]) -> None:
    spec = {name: FULL[name] for name in blocks}
    spec[sized] = {**spec.get(sized, {}), "resources": resources}
    assert documents(spec) == documents(spec)


@given(RESOURCES)
def test_a_request_that_is_a_default_is_never_above_the_limit(resources: dict[str, Any]) -> None:
    from hcs_operator.api.quantities import amount

    spec = {"cache": {"resources": resources}}
    [cache] = [
        i.document
        for i in desired(stack(spec), context())
        if i.document["kind"] == "StatefulSet" and i.document["metadata"]["name"] == "shop-cache"
    ]
    found = cache["spec"]["template"]["spec"]["containers"][0]["resources"]
    for resource, request in found["requests"].items():
        both = resource in resources.get("requests", {}) and resource in resources.get("limits", {})
        assert both or amount(request) <= amount(found["limits"][resource])
