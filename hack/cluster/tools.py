"""Programs built from Go modules, kept in the cache in a folder named by the hash of their module: the same inputs are
never built twice.

Kubernetes, etcd, CoreDNS, helm and kind come from one module, so that they share compiled packages; the others'
dependencies collide with those, so they have modules of their own.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hack.cluster import content, places
from hack.cluster.console import Refusal, step
from hack.cluster.shell import run

KUBERNETES = "v1.34.4"
_MODULES = places.HACK / "cluster" / "tools"
_STAMPED = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")


@dataclass(frozen=True)
class Module:
    """A Go module of ours and the packages that are built from it; `renamed` maps a package's default name to its
    program's.
    """

    name: str
    folder: Path
    packages: tuple[str, ...]
    note: str
    stamped: bool = False
    renamed: tuple[tuple[str, str], ...] = ()


KUBERNETES_AND_FRIENDS = Module(
    "kubernetes",
    _MODULES,
    (
        *(
            f"k8s.io/kubernetes/cmd/{name}"
            for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy")
        ),
        *(f"k8s.io/kubernetes/cmd/{name}" for name in ("kubelet", "kubeadm", "kubectl")),
        "go.etcd.io/etcd/server/v3",
        "helm.sh/helm/v3/cmd/helm",
        "sigs.k8s.io/kind",
        "./dns",
        "./pause",
    ),
    "ten minutes the first time on two cores",
    stamped=True,
    renamed=(("server", "etcd"), ("dns", "coredns")),
)
CLIENTS = Module(
    "clients",
    _MODULES,
    ("k8s.io/kubernetes/cmd/kubectl", "helm.sh/helm/v3/cmd/helm", "sigs.k8s.io/kind"),
    "four minutes the first time on two cores",
    stamped=True,
)
STORAGE = Module(
    "storage", _MODULES / "storage", ("github.com/rancher/local-path-provisioner",), "two minutes the first time"
)
OBJECT_STORE = Module(
    "s3", _MODULES / "s3", ("github.com/versity/versitygw/cmd/versitygw",), "two minutes the first time"
)


def folder_of(module: Module) -> Path:
    """Where the module's programs are once built."""
    own = [file for file in sorted(module.folder.iterdir()) if file.is_file() or file.name in {"dns", "pause"}]
    return places.BIN / f"{module.name}-{content.digest(own, *module.packages, _stamp() if module.stamped else '')}"


def ensure(module: Module) -> Path:
    """The folder with the module's programs; builds them where they are not there."""
    folder = folder_of(module)
    if not folder.exists():
        with step(f"building {module.name}: {len(module.packages)} programs ({module.note})"):
            _build(module, folder)
    return folder


def clients() -> Path:
    """A folder with kind, kubectl and helm: the whole build's where it is there, else the user's own if recent, else
    built.
    """
    whole = folder_of(KUBERNETES_AND_FRIENDS)
    if whole.exists():
        return whole
    if _recent():
        return _linked()
    return ensure(CLIENTS)


def _recent() -> bool:
    """Whether PATH has all three, recent enough for this cluster."""
    wanted = {
        "kind": (("kind", "version"), (0, 30)),
        "kubectl": (("kubectl", "version", "--client"), (1, 33)),
        "helm": (("helm", "version", "--short"), (3, 17)),
    }
    for program, (command, oldest) in wanted.items():
        if not shutil.which(program):
            return False
        found = re.search(r"v(\d+)\.(\d+)", run(*command))
        if not found or (int(found[1]), int(found[2])) < oldest:
            return False
    return True


def _linked() -> Path:
    """A folder of links to the user's own programs."""
    folder = places.BIN / "linked"
    folder.mkdir(parents=True, exist_ok=True)
    for program in ("kind", "kubectl", "helm"):
        link = folder / program
        link.unlink(missing_ok=True)
        link.symlink_to(str(shutil.which(program)))
    return folder


def _stamp() -> str:
    """Linker flags that tell Kubernetes its version, and Helm the version it renders for where no cluster is asked.

    Unstamped, the server says v0.0.0 and `helm template` renders for v1.20; charts refuse both.
    """
    major, minor, _ = KUBERNETES.removeprefix("v").split(".")
    values = {"gitVersion": KUBERNETES, "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
    stamps = {f"{package}.{name}": value for package in _STAMPED for name, value in values.items()}
    for package in ("chartutil", "lint/rules"):
        stamps[f"helm.sh/helm/v3/pkg/{package}.k8sVersionMajor"] = major
        stamps[f"helm.sh/helm/v3/pkg/{package}.k8sVersionMinor"] = minor
    return "".join(f" -X {name}={value}" for name, value in stamps.items())


def go_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """What Go is told: its caches and the counters that it keeps of itself are in ours, its settings are the user's."""
    configuration = environ.get("XDG_CONFIG_HOME") or Path(environ.get("HOME", "/")) / ".config"
    return {
        "CGO_ENABLED": "0",
        "GOCACHE": str(places.GO_BUILD),
        "GOMODCACHE": str(places.GO_MODULES),
        "GOTMPDIR": str(places.SCRATCH),
        "GOENV": environ.get("GOENV") or str(Path(configuration) / "go" / "env"),
        "GOFLAGS": "-modcacherw",
        "GOWORK": "off",
        "XDG_CONFIG_HOME": str(places.CACHE / "go" / "config"),  # where the counters go
    }


def _build(module: Module, folder: Path) -> None:
    """Builds into a folder beside, renamed once complete: an interrupted build is begun again, from Go's own cache."""
    if not shutil.which("go"):
        raise Refusal("Go 1.25 or newer is needed to build the cluster's programs: install it and put it on PATH")
    unfinished = folder.with_suffix(".new")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    flags = ["-trimpath", "-ldflags", f"-s -w{_stamp() if module.stamped else ''}", "-o", f"{unfinished}/"]
    run("go", "build", *flags, *module.packages, cwd=module.folder, env=go_environment(os.environ))
    for old, new in module.renamed:
        (unfinished / old).rename(unfinished / new)
    unfinished.rename(folder)
    content.keep_newest(places.BIN.glob(f"{module.name}-*"), 2)
