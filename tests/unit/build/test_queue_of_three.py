"""What is built of a queue of three brokers."""

from typing import Any

from tests.unit.build.stacks import QUEUE_OF_THREE, built


def test_only_several_brokers_must_be_on_nodes_of_their_own_unless_two_may_share_one() -> None:
    def affinity(**queue: Any) -> Any:
        pod = built({"queue": queue})["StatefulSet/shop-queue"]["spec"]["template"]["spec"]
        return pod["affinity"]["podAntiAffinity"]

    required, preferred = (
        "requiredDuringSchedulingIgnoredDuringExecution",
        "preferredDuringSchedulingIgnoredDuringExecution",
    )
    assert list(affinity()) == [preferred]
    assert list(affinity(replicas=3)) == [required]
    assert list(affinity(replicas=3, spread="Preferred")) == [preferred]
    own: dict[str, Any] = {"podAntiAffinity": {"mine": []}}
    assert affinity(replicas=3, template={"affinity": own}) == {"mine": []}


def test_brokers_know_each_other_by_the_names_that_their_pods_have() -> None:
    found = built(QUEUE_OF_THREE)
    names = [f"rabbit@shop-queue-{ordinal}.shop-queue.shops.svc.cluster.local" for ordinal in range(3)]
    lines = found["ConfigMap/shop-queue"]["data"]["rabbitmq.conf"].splitlines()
    known = [line.partition(" = ")[2] for line in lines if line.startswith("cluster_formation.classic_config.nodes.")]
    [container] = found["StatefulSet/shop-queue"]["spec"]["template"]["spec"]["containers"]
    variables = {entry["name"]: entry.get("value", "") for entry in container["env"]}
    assert known == names
    assert variables["RABBITMQ_NODENAME"].replace("$(POD_NAME)", "shop-queue-1") == names[1]
