"""This machine: its processes, mounts and packages, looked at through /proc and Debian's tools."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from hack.cluster.console import Refusal, step
from hack.cluster.shell import run

_POLICY = Path("/usr/sbin/policy-rc.d")


def is_root() -> bool:
    """Whether this process may mount, start a daemon and install packages."""
    return os.geteuid() == 0


def is_debian() -> bool:
    """Whether apt and debootstrap are at home here."""
    return Path("/etc/debian_version").exists()


def lacks_capabilities() -> bool:
    """Whether root's bounding set is smaller than the kernel's full one."""
    last = int(Path("/proc/sys/kernel/cap_last_cap").read_text())
    status = Path("/proc/self/status").read_text().splitlines()
    mask = next(int(line.split()[1], 16) for line in status if line.startswith("CapBnd"))
    return mask != (1 << last + 1) - 1


def ensure_packages(programs: dict[str, str]) -> None:
    """Installs the Debian packages (values) whose program (key) is missing; services that they bring are not
    started.
    """
    missing = sorted({package for program, package in programs.items() if not shutil.which(program)})
    if not missing:
        return
    with step(f"installing {', '.join(missing)}"), _no_service_starts():
        quiet = {"DEBIAN_FRONTEND": "noninteractive"}
        run("apt-get", "-qq", "update", env=quiet)
        run("apt-get", "-qq", "install", "--yes", "--no-install-recommends", *missing, env=quiet)


@contextmanager
def _no_service_starts() -> Iterator[None]:
    """Debian asks policy-rc.d before a package starts its service; 101 says no. A policy of the machine's own is left
    alone.
    """
    ours = not _POLICY.exists()
    if ours:
        _POLICY.write_text("#!/bin/sh\nexit 101\n")
        _POLICY.chmod(0o755)
    try:
        yield
    finally:
        if ours:
            _POLICY.unlink()


def processes_naming(text: str) -> list[int]:
    """Ids of processes with the text in an argument, this one and its parent excepted."""
    own = {os.getpid(), os.getppid()}
    return [pid for pid, words in _processes() if pid not in own and any(text in word for word in words)]


def processes_called(program: str) -> list[int]:
    """Ids of processes that run the program."""
    return [pid for pid, words in _processes() if Path(words[0]).name == program]


def _processes() -> Iterator[tuple[int, list[str]]]:
    """Each process with its arguments; those of the kernel have none and are passed over."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:  # it ended meanwhile
            continue
        if words[0]:
            yield int(entry.name), words


def is_alive(pid: int) -> bool:
    """Whether a process of that id runs (a zombie does not)."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in {"Z", "X"}


def end_process(pid: int, *, patience: float = 30) -> None:
    """SIGTERM, then SIGKILL once patience (seconds) is over."""
    for number, seconds in ((signal.SIGTERM, patience), (signal.SIGKILL, 10.0)):
        if not is_alive(pid):
            return
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return
        if holds(lambda: not is_alive(pid), seconds):
            return
    raise Refusal(f"process {pid} does not end; end it by hand")


def holds(probe: Callable[[], bool], seconds: float, *, every: float = 0.2) -> bool:
    """Whether the probe becomes true within so many seconds."""
    deadline = time.monotonic() + seconds
    while not (true := probe()) and time.monotonic() < deadline:
        time.sleep(every)
    return true


def unmount_at(folder: Path) -> None:
    """Unmounts the folder and whatever a killed daemon left mounted below it, innermost first."""
    mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for mount in sorted((mount for mount in mounts if f"{mount}/".startswith(f"{folder}/")), reverse=True):
        run("umount", "--lazy", mount)
