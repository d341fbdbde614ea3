"""A private Docker daemon, where the machine has none: own data root, socket and pid file, networks from the benchmark
range.

A daemon that was killed leaves a pid file, a socket, its containerd with the containers, and mounts behind; `start`
begins over such remains, `stop` leaves nothing but the data root (images are dear).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from hack.cluster import host, places
from hack.cluster.console import Refusal, step
from hack.cluster.docker import Docker
from hack.cluster.shell import CommandFailed, run, succeeds

PACKAGES = {"dockerd": "docker.io", "docker": "docker.io", "iptables": "iptables"}
ADDRESSES = "198.18.64.0/18"  # of all its networks; from the benchmark range, which no other machine has
_PID_FILE = places.RUN / "docker.pid"
_STATE = places.RUN / "docker"  # containerd's socket and the network namespaces; /run/docker is another daemon's
_CONTAINERD = _STATE / "containerd" / "containerd.pid"
_UNTAGGED_KEPT = "72h"  # stages of builds: they save the next build of their kind its downloads, and grow without end
_LOG = places.RUN / "dockerd.log"


def docker() -> Docker:
    """The private daemon, running or not."""
    return Docker(f"unix://{places.SOCKET}")


def is_running() -> bool:
    """Whether the private daemon answers."""
    return places.SOCKET.exists() and docker().answers()


def start() -> None:
    """Starts the daemon where it does not answer, over whatever an earlier one left."""
    if is_running():
        return
    host.ensure_packages(PACKAGES)
    if len(str(places.SOCKET)) > 100:
        raise Refusal(f"HCS_CACHE is too long a path for a socket: {places.CACHE}")
    with step("starting a private Docker daemon"):
        _clear_remains()
        for folder in (places.RUN, places.DOCKER_DATA):
            folder.mkdir(parents=True, exist_ok=True)
        daemon = _launch()
        if not host.holds(lambda: is_running() or daemon.poll() is not None, 60) or daemon.poll() is not None:
            tail = "\n".join(_LOG.read_text(errors="replace").splitlines()[-15:])
            raise Refusal(f"the private Docker daemon does not start; the end of {_LOG}:\n{tail}")
        docker().run("image", "prune", "--force", "--filter", f"until={_UNTAGGED_KEPT}")


def _launch() -> subprocess.Popen[bytes]:
    words = [
        "dockerd",
        "--host",
        f"unix://{places.SOCKET}",
        "--pidfile",
        str(_PID_FILE),
        "--data-root",
        str(places.DOCKER_DATA),
    ]
    words += ["--exec-root", str(_STATE), "--bridge", "none", "--default-address-pool", f"base={ADDRESSES},size=24"]
    words += ["--storage-driver", "overlay2", "--config-file", str(_write_config())]
    if host.lacks_capabilities():
        words += ["--add-runtime", f"bounded={_write_runtime()}", "--default-runtime", "bounded"]
    with _LOG.open("ab") as log:
        return subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)


def _write_config() -> Path:
    """An empty configuration, so that /etc/docker/daemon.json says nothing to a daemon of ours."""
    config = places.RUN / "daemon.json"
    config.write_text("{}")
    return config


def _write_runtime() -> Path:
    """runc_bounded as a program of its own, run by this very Python (a version manager's shim would cost 0.1 s a
    call).
    """
    program = places.RUN / "runc-bounded"
    source = Path(__file__).with_name("runc_bounded.py").read_text()
    program.write_text(f"#!{os.path.realpath(sys.executable)} -IS\n{source}")
    program.chmod(0o755)
    return program


def _clear_remains() -> None:
    """Ends a daemon that does not answer, and removes what would keep the next one from starting.

    Its containers are left: the next daemon ends them. Its containerd dies with it, but not at once, and a daemon that
    finds the dying one's pid file waits for it in vain.
    """
    for pid in host.processes_naming(f"unix://{places.SOCKET}"):
        host.end_process(pid)
    if _CONTAINERD.exists():
        pid = int(_CONTAINERD.read_text() or 0)
        if host.holds(lambda: not host.is_alive(pid), 10):
            _CONTAINERD.unlink()
    for path in (_PID_FILE, places.SOCKET):
        path.unlink(missing_ok=True)


def stop() -> None:
    """Ends the daemon with everything in it; its images stay in the cache. A killed daemon's containers end too."""
    if not places.RUN.exists():
        return
    if host.processes_naming(str(_STATE)):
        start()
    if is_running():
        with step("stopping the private Docker daemon"):
            docker().remove_containers()
            docker().run("network", "prune", "--force")
            docker().run("volume", "prune", "--force")
            host.end_process(int(_PID_FILE.read_text()))
    _clear_remains()
    for folder in (places.RUN, places.DOCKER_DATA):
        host.unmount_at(folder)
    shutil.rmtree(places.RUN, ignore_errors=True)
    _remove_chains()


def _remove_chains() -> None:
    """Removes the packet filter's chains that a Docker daemon leaves, unless another one may be using them."""
    if not shutil.which("iptables") or host.processes_called("dockerd"):
        return
    for table in ("filter", "nat"):
        try:
            rules = run("iptables", "--table", table, "--list-rules").splitlines()
        except CommandFailed:  # no such table in this kernel: nothing was added to it
            continue
        chains = [rule.split()[1] for rule in rules if rule.startswith("-N DOCKER")]
        for rule in rules:
            if rule.startswith("-A") and any(f"-j {chain}" in rule for chain in chains):
                succeeds("iptables", "--table", table, "-D", *rule.split()[1:])
        for chain in chains:
            succeeds("iptables", "--table", table, "--flush", chain)
        for chain in chains:
            succeeds("iptables", "--table", table, "--delete-chain", chain)
