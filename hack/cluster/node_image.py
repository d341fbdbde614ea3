"""The kind node image, built from packages and our own binaries, with the control plane's images inside under their
upstream names.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hack.cluster import archive, base_image, content, places, tools
from hack.cluster.console import step
from hack.cluster.docker import Docker

_FILES = places.HACK / "cluster" / "node"
_REGISTRY = "registry.k8s.io"
_PROXY_PACKAGES = (
    "RUN apt-get update && apt-get install -y --no-install-recommends iptables conntrack kmod"
    " && rm -rf /var/lib/apt/lists/*"
)


@dataclass(frozen=True)
class Part:
    """One image inside the node: a binary, and the name under which kubeadm looks for it (`kubeadm config images
    list`).
    """

    program: str
    upstream: str
    entrypoint: bool = False
    based: bool = False  # on Debian instead of nothing
    packages: str = ""


EVERY_NODE = (
    Part("pause", "pause:3.10.1", entrypoint=True),
    Part("kube-proxy", f"kube-proxy:{tools.KUBERNETES}", based=True, packages=_PROXY_PACKAGES),
    Part("coredns", "coredns/coredns:v1.12.1", entrypoint=True),
    Part("local-path-provisioner", "local-path:hcs", based=True),
)
CONTROL_PLANE = (
    *(
        Part(name, f"{name}:{tools.KUBERNETES}")
        for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
    ),
    Part("etcd", "etcd:3.6.5-0"),
)


def ensure(docker: Docker) -> str:
    """The node image's tag; builds it, and the programs in it, where it is not there."""
    folders = [tools.ensure(tools.KUBERNETES_AND_FRIENDS), tools.ensure(tools.STORAGE)]
    base = base_image.ensure(docker)
    inputs = (base, *(folder.name for folder in folders), repr(EVERY_NODE + CONTROL_PLANE))
    tag = f"hcs/node:{tools.KUBERNETES}-{content.digest([_FILES], *inputs)}"
    if not docker.has_image(tag):
        programs = {file.name: file for folder in folders for file in folder.iterdir()}
        with step(f"building {tag}"), tempfile.TemporaryDirectory(dir=places.SCRATCH) as context:
            _assemble(docker, base, programs, Path(context))
            docker.build(tag, Path(context), arguments={"BASE": base, "VERSION": tools.KUBERNETES})
    return tag


def _assemble(docker: Docker, base: str, programs: Mapping[str, Path], context: Path) -> None:
    """Lays out the build context: the node's files, its binaries, and two archives of images."""
    shutil.copytree(_FILES, context, dirs_exist_ok=True)
    for script in context.glob("*.sh"):
        script.chmod(0o755)
    for folder in ("bin", "images"):
        (context / folder).mkdir()
    for name in ("kubelet", "kubeadm", "kubectl"):
        shutil.copy(programs[name], context / "bin")
    for name, parts in (("node", EVERY_NODE), ("control-plane", CONTROL_PLANE)):
        names = {
            _build_part(docker, base, part, programs[part.program]): f"{_REGISTRY}/{part.upstream}" for part in parts
        }
        archive.write(docker, names, context / "images" / f"{name}.tar")


def _build_part(docker: Docker, base: str, part: Part, program: Path) -> str:
    """Builds one part under a name of ours; every tag that we put into a daemon begins with hcs."""
    lines = [f"FROM {base if part.based else 'scratch'}"]
    lines += [part.packages] if part.packages else []
    lines += [f"COPY {part.program} /usr/local/bin/", "ENV PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]
    lines += [f'ENTRYPOINT ["/usr/local/bin/{part.program}"]'] if part.entrypoint else []
    tag = f"hcs/{part.program}:node"
    with tempfile.TemporaryDirectory(dir=places.SCRATCH) as context:
        shutil.copy(program, context)
        (Path(context) / "Dockerfile").write_text("\n".join(lines))
        docker.build(tag, Path(context), arguments={})
    return tag
