"""Every image that a stack needs, named by what it is built from: `hcs/mysql:9.7-<hash of its Dockerfile and base>`.

An image whose inputs did not change is therefore never built again, and a new one is never hidden behind an old tag.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hack.cluster import base_image, content, places, tools
from hack.cluster.console import step
from hack.cluster.docker import Docker

ENGINES = {"mysql": "9.7", "redis": "8", "rabbitmq": "4"}
PYTHON = "3.13"
_OFFICIAL_PYTHON = f"python:{PYTHON}-slim"


@dataclass(frozen=True)
class Sources:
    """What a Dockerfile copies for one image; nothing else is in the hash, so nothing else rebuilds it."""

    name: str
    paths: tuple[str, ...]
    dockerfile: str = "Dockerfile"
    target: str | None = None

    def digest(self, arguments: Mapping[str, str]) -> str:
        """Over the Dockerfile, its arguments (base images) and the files."""
        files = [places.ROOT / path for path in (self.dockerfile, ".dockerignore", *self.paths)]
        return content.digest(files, *self.paths, *(f"{name}={arguments[name]}" for name in sorted(arguments)))


OPERATOR = Sources("operator", ("requirements/operator.lock", "operator"), target="operator")
SERVICES = Sources("services", ("requirements/services.lock", "services"), target="services")
SAMPLES = Sources("samples", ("requirements/samples.lock", "examples/samples"), target="samples")
TEST = Sources("test", ("requirements/dev.lock",), dockerfile="hack/images/test/Dockerfile")
BENCH = Sources("bench", (), dockerfile="hack/images/bench/Dockerfile")


def engine(docker: Docker, name: str, *, official: bool) -> str:
    """The tag of mysql, redis or rabbitmq, built or pulled where it is not there."""
    version = ENGINES[name]
    if official:
        return _pulled(docker, f"{name}:{version}")
    return _built(docker, f"hcs/{name}:{version}", places.HACK / "images" / name, {"BASE": base_image.ensure(docker)})


def python(docker: Docker, *, official: bool) -> str:
    """The tag of the Python image that ours are built on."""
    if official:
        return _pulled(docker, _OFFICIAL_PYTHON)
    return _built(
        docker, f"hcs/python:{PYTHON}", places.HACK / "images" / "python", {"BASE": base_image.ensure(docker)}
    )


def ours(docker: Docker, sources: Sources, *, official: bool, arguments: Mapping[str, str] | None = None) -> str:
    """The tag of an image with our own code in it, built where it is not there."""
    given = {"PYTHON_IMAGE": python(docker, official=official), **(arguments or {})}
    tag = f"hcs/{sources.name}:{sources.digest(given)}"
    if not docker.has_image(tag):
        with step(f"building {tag}"):
            file = places.ROOT / sources.dockerfile
            docker.build(tag, places.ROOT, file=file, target=sources.target, arguments=given)
    return tag


def samples(docker: Docker, *, official: bool) -> str:
    """The tag of the samples' image; its S3-compatible store is built from its Go module."""
    folder = tools.ensure(tools.OBJECT_STORE)
    store = f"hcs/versitygw:{folder.name.rpartition('-')[2]}"
    if not docker.has_image(store):
        with tempfile.TemporaryDirectory(dir=places.SCRATCH) as context:
            shutil.copy(folder / "versitygw", context)
            (Path(context) / "Dockerfile").write_text("FROM scratch\nCOPY versitygw /app/versitygw\n")
            docker.build(store, Path(context), arguments={})
    return ours(docker, SAMPLES, official=official, arguments={"S3_IMAGE": store})


def all_of_a_stack(docker: Docker, *, official: bool) -> dict[str, str]:
    """Every image that `make up` needs, built or pulled where it is not there: name → tag."""
    return {
        **{name: engine(docker, name, official=official) for name in ENGINES},
        "samples": samples(docker, official=official),
        "services": ours(docker, SERVICES, official=official),
        "operator": ours(docker, OPERATOR, official=official),
    }


def _pulled(docker: Docker, tag: str) -> str:
    if not docker.has_image(tag):
        with step(f"pulling {tag}"):
            docker.run("pull", "--quiet", tag)
    return tag


def _built(docker: Docker, name: str, context: Path, arguments: Mapping[str, str]) -> str:
    tag = f"{name}-{content.digest([context], *arguments.values())}"
    if not docker.has_image(tag):
        with step(f"building {tag}"):
            docker.build(tag, context, arguments=arguments)
    return tag
