"""A partition of the network between containers that a test has made, while the test itself still reaches all of them.

Each side is told a wrong hardware address for the other, in its own network namespace: frames then go to nobody, without an
error for who sends them, as when a cable is cut. A container that shares the namespace does it, since an engine's image has no
tools for that and no right to.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from tests.engine.containers import Container, Engines, call

# struct arpreq of arp(7): protocol address, hardware address, flags, netmask, device; 0x8955 sets an entry, 0x8953 deletes it
_ARP = """
import fcntl, socket, struct, sys
number, device, *addresses = sys.argv[1:]
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
    for address in addresses:
        wanted = struct.pack("H2x4s8x", socket.AF_INET, socket.inet_aton(address))
        nobody = struct.pack("H6s8x", 1, bytes.fromhex("02deadbeef01"))
        fcntl.ioctl(any_socket, int(number, 16), struct.pack("16s16si16s16s", wanted, nobody, 6, b"", device.encode()))
"""


@dataclass(frozen=True)
class Cut:
    """Where the network can be cut: each side's helper, and the addresses that it is to lose."""

    sides: Mapping[Container, Sequence[str]]

    def cut(self) -> None:
        """Cuts it; returns once no side reaches the other."""
        for helper, addresses in self.sides.items():
            _change("8955", helper, addresses)

    def heal(self) -> None:
        """Undoes it."""
        for helper, addresses in self.sides.items():
            _change("8953", helper, addresses)


@contextmanager
def between(engines: Engines, one: Container, others: Sequence[Container]) -> Iterator[Cut]:
    """Prepares a cut between one container and some others, none of which is restarted in the block."""
    sides = {one: [it.address for it in others]} | {other: [one.address] for other in others}
    helpers = {_beside(engines, container): addresses for container, addresses in sides.items()}
    try:
        yield Cut(helpers)
    finally:
        for helper in helpers:
            helper.remove()


def _beside(engines: Engines, container: Container) -> Container:
    """A container of the tests' own image in the network namespace of another."""
    image = call("GET", f"/containers/{socket.gethostname()}/json")["Image"]
    body = {
        "Image": image,
        "Entrypoint": ["sleep", "600"],
        "Labels": {"hcs-test-run": engines.run},
        "HostConfig": {"NetworkMode": f"container:{container.id}", "CapAdd": ["NET_ADMIN"], "Init": True},
    }
    helper = Container(call("POST", "/containers/create", body)["Id"], f"beside-{container.name}")
    helper.start()
    return helper


def _change(request: str, helper: Container, addresses: Sequence[str]) -> None:
    outcome = helper.run("python3", "-c", _ARP, request, "eth0", *addresses)
    assert outcome.code == 0, outcome.text
