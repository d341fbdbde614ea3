"""Where things are: the project's tree, the cache that outlives a cluster, and the run directory that does not.

Nothing is left outside these, but packages that Debian's own tools install.
"""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HACK = ROOT / "hack"
KUBECONFIG = ROOT / ".kube" / "config"
ARTIFACTS = ROOT / ".artifacts"

CACHE = Path(os.environ.get("HCS_CACHE") or "~/.cache/hcs").expanduser().absolute()
BIN = CACHE / "bin"  # built tools, in one folder for each content hash
GO_BUILD = CACHE / "go" / "build"
GO_MODULES = CACHE / "go" / "mod"
DOCKER_DATA = CACHE / "docker"  # the private daemon's images
SCRATCH = CACHE / "tmp"  # build contexts; emptied by the next make
PYTEST = CACHE / "pytest"  # what tests write: pytest keeps that of the last three runs
RUN = CACHE / "run"  # sockets, pid files, logs of what runs now; `make down` removes it
SOCKET = RUN / "docker.sock"
# Programs that would keep something in the home folder are told this place for it.
HOMES = {
    "KUBECACHEDIR": str(CACHE / "kube"),
    **{f"HELM_{name}_HOME": str(CACHE / "helm" / name.lower()) for name in ("CACHE", "CONFIG", "DATA")},
    "PIP_CACHE_DIR": str(CACHE / "pip"),
    "UV_CACHE_DIR": str(CACHE / "uv-cache"),
    "PYTEST_DEBUG_TEMPROOT": str(PYTEST),
}
