"""What our images carry is what a stack runs: nothing of the machine that built them, no secret, and no compiler."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from hack.cluster import images, places
from hack.cluster.docker import Docker
from tests.cluster import layers
from tests.cluster.conftest import OPERATOR_NAMESPACE, SAMPLES_NAMESPACE, Stack
from tests.cluster.kubectl import Kubectl

pytestmark = pytest.mark.cluster

PLACES = {"the cache": places.CACHE, "the project": places.ROOT, "the home": Path.home()}
EVERY_IMAGES_HOME = Path("/root")  # says nothing of this machine
OURS = "hcs/"  # an official engine image is its publisher's


def test_no_layer_tells_of_the_machine_that_built_it_or_holds_a_secret_or_a_compiler(
    shop: Stack, kubectl: Kubectl, tmp_path: Path
) -> None:
    deployments = {
        "hcs-operator": OPERATOR_NAMESPACE,
        "shop-gateway": SAMPLES_NAMESPACE,
        "smtp-sink": SAMPLES_NAMESPACE,
    }
    tags = [_image(kubectl.inside(namespace), name) for name, namespace in deployments.items()]
    assert [tag.partition(":")[0] for tag in tags] == ["hcs/operator", "hcs/services", "hcs/samples"]
    engines = {name: str(shop.resource()["spec"]["images"][name]) for name in images.ENGINES}
    for name, tag in engines.items():
        assert tag.removeprefix(OURS).startswith(f"{name}:"), tag
    tags += [tag for tag in engines.values() if tag.startswith(OURS)]
    saved = tmp_path / "images.tar"
    try:
        Docker().run("save", "--output", saved, *tags)
        assert list(layers.traces(saved, _this_machine())) == []
    finally:
        saved.unlink(missing_ok=True)  # a gigabyte


def _image(inside: Kubectl, deployment: str) -> str:
    document = inside.get("deployment", deployment)
    assert document, deployment
    return str(document["spec"]["template"]["spec"]["containers"][0]["image"])


def _this_machine() -> layers.Machine:
    return layers.Machine(
        paths={f"{path}/".encode(): name for name, path in PLACES.items() if path != EVERY_IMAGES_HOME},
        files={
            "etc/hostname": socket.gethostname().encode(),
            "etc/resolv.conf": Path("/etc/resolv.conf").read_bytes().strip(),
        },
        secrets=layers.passwords(os.environ),
    )
