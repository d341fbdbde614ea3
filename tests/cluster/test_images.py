"""What our images carry is what a stack runs: nothing of the machine that built them, and no compiler."""

from __future__ import annotations

import json
import socket
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

import pytest
from hack.cluster import places
from hack.cluster.archive import member, read
from hack.cluster.docker import Docker
from tests.cluster.conftest import OPERATOR_NAMESPACE, SAMPLES_NAMESPACE
from tests.cluster.kubectl import Kubectl

pytestmark = pytest.mark.cluster

PLACES = {"the cache": places.CACHE, "the project": places.ROOT, "the home": Path.home()}
COMPILERS = {"cc", "gcc", "c++", "g++", "make", "go"}
EVERY_IMAGES_HOME = Path("/root")  # says nothing of this machine
OTHERS = "/site-packages/"  # a wheel may name the home folder of whoever built it


def test_no_layer_tells_of_the_machine_that_built_it_or_holds_a_compiler(kubectl: Kubectl, tmp_path: Path) -> None:
    deployments = {
        "hcs-operator": OPERATOR_NAMESPACE,
        "shop-gateway": SAMPLES_NAMESPACE,
        "smtp-sink": SAMPLES_NAMESPACE,
    }
    tags = [_image(kubectl.inside(namespace), name) for name, namespace in deployments.items()]
    assert [tag.partition(":")[0] for tag in tags] == ["hcs/operator", "hcs/services", "hcs/samples"]
    saved = tmp_path / "images.tar"
    try:
        assert list(traces(tags, saved)) == []
    finally:
        saved.unlink(missing_ok=True)  # half a gigabyte


def _image(inside: Kubectl, deployment: str) -> str:
    document = inside.get("deployment", deployment)
    assert document, deployment
    return str(document["spec"]["template"]["spec"]["containers"][0]["image"])


def traces(tags: list[str], saved: Path) -> Iterator[str]:
    """Each trace in the images' layers and configurations, in words."""
    Docker().run("save", "--output", saved, *tags)
    paths = {f"{path}/".encode(): name for name, path in PLACES.items() if path != EVERY_IMAGES_HOME}
    with tarfile.open(saved) as archive:
        images = json.loads(read(archive, "manifest.json"))
        for image in images:
            yield from _named(f"the configuration of {image['RepoTags']}", read(archive, image["Config"]), paths)
        layers = {member(archive, layer).name: image["RepoTags"] for image in images for layer in image["Layers"]}
        for layer, owners in layers.items():
            with tarfile.open(fileobj=archive.extractfile(layer)) as files:
                yield from (f"{trace} ({owners})" for trace in _traces_in(files, paths))


def _traces_in(layer: tarfile.TarFile, paths: Mapping[bytes, str]) -> Iterator[str]:
    """Each trace in one layer."""
    machine = {
        "etc/hostname": socket.gethostname().encode(),
        "etc/resolv.conf": Path("/etc/resolv.conf").read_bytes().strip(),
    }
    for entry in layer:
        path = PurePosixPath(entry.name)
        if path.parent.name in {"bin", "sbin"} and path.name in COMPILERS:
            yield f"/{path} is a compiler"
        file = layer.extractfile(entry) if entry.isfile() else None
        if not file:
            continue
        content = file.read()
        if content.strip() and content.strip() == machine.get(str(path)):
            yield f"/{path} is this machine's"
        yield from _named(f"/{path}", content, paths)


def _named(place: str, content: bytes, paths: Mapping[bytes, str]) -> Iterator[str]:
    for text, name in paths.items():
        if text in content and not (name == "the home" and OTHERS in place):
            yield f"{place} names {name}, {text.decode()}"
