"""What `make` may leave behind on a machine, as two looks at it tell: one before anything of ours is made, one after
all of it is removed.

Other programs run on the machine too, so a look holds only what bears our mark: our kind cluster's containers and
network, processes and mounts of our cache, packet filter rules and bridges of the private daemon's address range, and
what appears in the folders of the home directory where the programs that we run keep things. A folder that was there
before is not looked into: others write to it as well.
"""

from __future__ import annotations

import ipaddress
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from hack.cluster import daemon, host, kind, places
from hack.cluster.docker import Docker
from hack.cluster.shell import CommandFailed, run

Look = Mapping[str, frozenset[str]]  # kind of thing → the things, in words

_RULE, _INTERFACE = "the packet filter's rule", "the bridge"
_FOLDERS = (".kube", ".config/go", ".docker")  # kubectl and helm, Go, Docker
_BYTE = r"(?:25[0-5]|2[0-4]\d|1?\d?\d)"
_ADDRESS = re.compile(rf"(?<=\s){_BYTE}(?:\.{_BYTE}){{3}}(?=[/\s]|$)")
_PATIENCE = 30.0  # seconds in which what was ended may still be dying


def left_behind(before: Look, after: Look) -> list[str]:
    """What was not there before, in words."""
    return [
        f"{what} {name}"
        for what, names in sorted(after.items())
        for name in sorted(names - before.get(what, frozenset()))
    ]


def mounts_in(folder: Path, mountinfo: str) -> frozenset[str]:
    """The mount points at and below a folder; `mountinfo` as in /proc/self/mountinfo."""
    points = (line.split()[4] for line in mountinfo.splitlines())
    return frozenset(point for point in points if f"{point}/".startswith(f"{folder}/"))


def interfaces_in(network: str, routes: str) -> frozenset[str]:
    """The interfaces that reach a part of the network; `routes` as in /proc/net/route, addresses with their last byte
    first.
    """
    wanted = ipaddress.IPv4Network(network)
    found = set()
    for line in routes.splitlines()[1:]:
        interface, destination = line.split()[:2]
        if ipaddress.IPv4Address(bytes.fromhex(destination)[::-1]) in wanted:
            found.add(interface)
    return frozenset(found)


def rules_of(network: str, rules: str) -> frozenset[str]:
    """Docker's chains, and the rules that name an address of the network; `rules` as of `iptables --list-rules`."""
    wanted = ipaddress.IPv4Network(network)
    return frozenset(
        rule
        for rule in rules.splitlines()
        if rule.startswith("-N DOCKER") or any(ipaddress.IPv4Address(text) in wanted for text in _ADDRESS.findall(rule))
    )


def look() -> Look:
    """The machine as it is now."""
    return {
        **_of_docker(Docker()),
        "the process": frozenset(map(_named, host.processes_naming(str(places.RUN)))),
        "the mount": mounts_in(places.CACHE, Path("/proc/self/mountinfo").read_text()),
        _RULE: frozenset(_rules()),
        _INTERFACE: interfaces_in(daemon.ADDRESSES, Path("/proc/net/route").read_text()),
        "the file": frozenset(_files()),
    }


def since(before: Look) -> list[str]:
    """What is left of what was made since then, in words; what was just ended is given time to die."""
    found: list[str] = []

    def nothing() -> bool:
        after = dict(look())
        if host.processes_called("dockerd"):  # one of others', with chains and perhaps addresses like ours
            after |= {_RULE: frozenset(), _INTERFACE: frozenset()}
        found[:] = left_behind(before, after)
        return not found

    host.holds(nothing, _PATIENCE, every=1)
    return found


def _of_docker(theirs: Docker) -> Look:
    """In the user's daemon, where one answers; all of the private one's ends with it."""
    if not theirs.answers():
        return {}
    networks = theirs.run("network", "ls", "--filter", f"name=^{kind.NETWORK}$", "--format", "{{.Name}}").split()
    return {"the container": frozenset(theirs.containers(kind.NODES)), "the network": frozenset(networks)}


def _named(pid: int) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:  # it ended meanwhile
        words = [b"?"]
    return f"{pid}, {Path(words[0].decode(errors='replace')).name}"


def _rules() -> Iterator[str]:
    for table in ("filter", "nat") if shutil.which("iptables") else ():
        try:
            listed = run("iptables", "--table", table, "--list-rules")
        except CommandFailed:  # no such table in this kernel, or not root: nothing of ours is in it
            continue
        yield from (f"{table}: {rule}" for rule in rules_of(daemon.ADDRESSES, listed))


def _files() -> Iterator[str]:
    """What stands in the folders, their own files and folders alone, and what a removed cluster must not leave."""
    for folder in (Path.home() / name for name in _FOLDERS):
        if folder.is_dir():
            yield str(folder)
            yield from map(str, folder.iterdir())
    yield from (str(path) for path in (places.RUN, places.KUBECONFIG) if path.exists())
