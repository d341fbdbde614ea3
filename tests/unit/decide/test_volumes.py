"""Claims grow first, the template last; nothing shrinks, and what cannot grow leaves the rest as it was."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.status.seen import pod, snapshot, stack

from hcs_operator.api.observed import Child, Snapshot
from hcs_operator.api.quantities import amount
from hcs_operator.api.volumes import requested, template_size
from hcs_operator.decide.scaling import counts
from hcs_operator.decide.volumes import Volumes, volumes

pytestmark = pytest.mark.unit

SET = Child("StatefulSet", "shop-db-0")


def workload(size: str, reclaim: str = "Retain", **metadata: Any) -> dict[str, Any]:
    template = {"metadata": {"name": "data"}, "spec": {"resources": {"requests": {"storage": size}}}}
    labels = {"app.kubernetes.io/component": "db"}
    return {
        "kind": SET.kind,
        "metadata": {"name": SET.name, "uid": "u", "labels": labels, **metadata},
        "spec": {
            "serviceName": SET.name,
            "volumeClaimTemplates": [template],
            "persistentVolumeClaimRetentionPolicy": {"whenDeleted": reclaim, "whenScaled": "Retain"},
        },
        "status": {"observedGeneration": 1},
    }


def claim(name: str, size: str, phase: str = "Bound", **spec: str) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "uid": f"uid-of-{name}"},
        "spec": {"resources": {"requests": {"storage": size}}, **spec},
        "status": {"phase": phase},
    }


def judged(wanted: str, live: dict[str, Any] | None, *claims: Mapping[str, Any]) -> Volumes:
    seen = Snapshot(
        "shop", "shop", 0.0, {SET: live} if live else {}, claims={it["metadata"]["name"]: it for it in claims}
    )
    return volumes([workload(wanted)], seen)


def sizes(found: Volumes) -> list[str | None]:
    return [template_size(document) for document in found.documents]


def test_what_has_its_size_passes() -> None:
    assert judged("2Gi", workload("2Gi"), claim("data-shop-db-0-0", "2Gi")) == Volumes((workload("2Gi"),))


def test_claims_are_asked_first_and_the_template_stays() -> None:
    found = judged("2Gi", workload("1Gi"), claim("data-shop-db-0-0", "1Gi"), claim("data-shop-db-0-1", "2Gi"))
    assert [(growth.claim, growth.uid, growth.size) for growth in found.growing] == [
        ("data-shop-db-0-0", "uid-of-data-shop-db-0-0", "2Gi")
    ]
    assert (sizes(found), found.remade) == (["1Gi"], ())


def test_a_set_is_made_again_only_when_each_of_its_claims_has_grown() -> None:
    found = judged("2Gi", workload("1Gi"), claim("data-shop-db-0-0", "2Gi"))
    assert found == Volumes((), remade=(SET,))


def test_a_set_that_owns_its_claims_lets_go_of_them_first() -> None:
    found = judged("2Gi", workload("1Gi", "Delete"), claim("data-shop-db-0-0", "2Gi"))
    policy = found.documents[0]["spec"]["persistentVolumeClaimRetentionPolicy"]
    assert (policy, sizes(found), found.remade) == ({"whenDeleted": "Retain", "whenScaled": "Retain"}, ["1Gi"], ())


def test_it_goes_only_when_its_controller_has_seen_that() -> None:
    found = judged("2Gi", workload("1Gi", generation=2), claim("data-shop-db-0-0", "2Gi"))
    assert (sizes(found), found.remade) == (["1Gi"], ())


def test_while_it_is_being_deleted_nothing_is_sent() -> None:
    assert judged("2Gi", workload("1Gi", deletionTimestamp="now"), claim("data-shop-db-0-0", "2Gi")) == Volumes(())


def test_once_it_is_gone_it_is_made_with_the_new_size() -> None:
    assert sizes(judged("2Gi", None, claim("data-shop-db-0-0", "2Gi"))) == ["2Gi"]


def test_over_kept_volumes_that_are_smaller_it_is_made_with_what_they_have_and_they_are_asked() -> None:
    found = judged("2Gi", None, claim("data-shop-db-0-0", "1Gi"))
    assert (sizes(found), [growth.size for growth in found.growing]) == (["1Gi"], ["2Gi"])


def test_a_claim_that_a_pod_waits_for_is_waited_for_and_not_asked() -> None:
    pending = claim("data-shop-db-0-0", "1Gi", "Pending")
    seen = Snapshot(
        "shop", "shop", 0.0, {SET: workload("1Gi")}, claims={"x": pending}, pods=(pod("db", name="shop-db-0-0"),)
    )
    found = volumes([workload("2Gi")], seen)
    assert (sizes(found), found.growing, found.remade) == (["1Gi"], (), ())


@pytest.mark.parametrize("phase", ["Pending", "Lost"])
def test_a_claim_without_a_volume_that_nobody_waits_for_holds_nothing_up(phase: str) -> None:
    found = judged("2Gi", workload("1Gi"), claim("data-shop-db-0-0", "2Gi"), claim("data-shop-db-0-1", "1Gi", phase))
    assert found.remade == (SET,)


def test_a_claim_that_is_bound_late_grows_although_the_template_has_its_size() -> None:
    found = judged("2Gi", workload("2Gi"), claim("data-shop-db-0-0", "1Gi"))
    assert (sizes(found), [growth.size for growth in found.growing]) == (["2Gi"], ["2Gi"])


def test_a_size_taken_back_leaves_what_has_grown_as_it_is() -> None:
    assert sizes(judged("1Gi", workload("2Gi"), claim("data-shop-db-0-0", "2Gi"))) == ["2Gi"]
    assert judged("1Gi", workload("1Gi"), claim("data-shop-db-0-0", "2Gi")) == Volumes((workload("1Gi"),))


def test_claims_of_other_sets_are_none_of_its_business() -> None:
    others = (claim("data-shop-db-00-0", "1Gi"), claim("data-shop-db-0-x", "1Gi"), claim("data-shop-2-db-0-0", "1Gi"))
    assert judged("2Gi", workload("2Gi"), *others).growing == ()


def test_the_remedy_names_the_class_the_field_and_the_size_to_set_back_to() -> None:
    found = judged("2Gi", workload("1Gi"), claim("data-shop-db-0-0", "1Gi", storageClassName="standard"))
    remedy = found.growing[0].remedy
    assert "allowVolumeExpansion on StorageClass standard" in remedy
    assert remedy.endswith("or set spec.database.storage.size back to 1Gi")
    late = judged("2Gi", workload("2Gi"), claim("data-shop-db-0-0", "1Gi")).growing[0].remedy
    assert late == "set allowVolumeExpansion on its StorageClass if its driver can expand volumes"


def test_the_same_size_in_another_unit_is_no_change() -> None:
    assert sizes(judged("2048Mi", workload("2Gi"), claim("data-shop-db-0-0", "2Gi"))) == ["2Gi"]


def test_what_has_no_claims_passes_untouched() -> None:
    other = {"kind": "ConfigMap", "metadata": {"name": "a"}, "data": {}}
    assert volumes([other], Snapshot("shop", "shop", 0.0, {})) == Volumes((other,))


SIZES = st.integers(1, 5).map(lambda number: f"{number}Gi")


@given(SIZES, st.none() | SIZES, st.lists(SIZES, max_size=3), st.booleans())
def test_looks_end_with_every_claim_and_the_template_large_enough(
    wanted: str, template: str | None, claims: list[str], refused: bool
) -> None:
    """Carried out look by look; where claims are refused, the template never exceeds what they have."""
    live = workload(template) if template else None
    known = {f"data-shop-db-0-{ordinal}": claim(f"data-shop-db-0-{ordinal}", it) for ordinal, it in enumerate(claims)}
    for _ in range(4):
        found = judged(wanted, live, *known.values())
        for growth in found.growing if not refused else ():
            known[growth.claim] = claim(growth.claim, growth.size)
        live = dict(found.documents[0]) if found.documents else None
    assert live is not None
    least = min((requested(it) for it in known.values()), key=amount, default=wanted)
    begun = amount(template or "0")
    assert amount(template_size(live) or "0") == max(begun, amount(min(wanted, least, key=amount))) or refused
    if refused and amount(least) < amount(wanted):
        assert amount(template_size(live) or "0") == (begun or amount(least))
    assert all(amount(requested(it)) >= amount(was) for it, was in zip(known.values(), claims, strict=True))


def test_readers_that_outlive_their_set_are_all_counted_when_it_is_made_again() -> None:
    orphans = tuple(pod("replica", name=f"shop-replica-0-{ordinal}") for ordinal in (0, 2))
    assert counts(stack(), snapshot(live={}, pods=orphans), 0)["replica"] == 3
    assert counts(stack(), snapshot(live={}, pods=()), 0)["replica"] is None
    assert counts(stack(), snapshot(pods=orphans), 0)["replica"] is None
    off = stack({"autoscaling": {"mode": "Off"}})
    assert counts(off, snapshot(live={}, pods=orphans), 0)["replica"] == 3
