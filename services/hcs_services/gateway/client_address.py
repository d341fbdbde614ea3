"""Who is calling: the address behind the proxies that the operator of the stack trusts, and nobody else's word for it.

`X-Forwarded-For` grows at its right end, so it is read from there: each entry was written by the hop before it, and
only an entry written by a trusted hop is believed. The first address that is not a trusted proxy is the client. What
stands further left may be forged and is dropped.
"""

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import NamedTuple

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
SCHEMES = frozenset({"http", "https"})
UNKNOWN = IPv4Address("0.0.0.0")
"""The address of a peer that has none (a socket that is not TCP)."""


class Client(NamedTuple):
    """The caller's address, the chain of addresses known to be true (client first, peer last), and its scheme."""

    address: Address
    chain: tuple[Address, ...]
    scheme: str
    host: str


class TrustedProxies:
    """The networks whose forwarding headers are believed."""

    def __init__(self, networks: Sequence[Network] = ()) -> None:
        self._networks = tuple(networks)

    def __contains__(self, address: Address) -> bool:
        return any(address in network for network in self._networks if network.version == address.version)

    def client(self, peer: str | None, forwarded_for: Sequence[str], scheme: Sequence[str], host: str) -> Client:
        """Return the caller.

        `forwarded_for` and `scheme` are the values of X-Forwarded-For and X-Forwarded-Proto in their order, one for
        each header line. The scheme is believed only if the peer is trusted.
        """
        nearest = parse(peer) if peer is not None else None
        nearest = UNKNOWN if nearest is None else nearest
        chain = [nearest]
        trusted = nearest in self
        if trusted:
            chain += self._believed(forwarded_for)
        told = scheme[-1].rpartition(",")[2].strip().lower() if trusted and scheme else "http"
        return Client(chain[-1], tuple(reversed(chain)), told if told in SCHEMES else "http", host)

    def _believed(self, forwarded_for: Sequence[str]) -> list[Address]:
        hops: list[Address] = []
        for text in reversed(",".join(forwarded_for).split(",")):
            address = parse(text.strip())
            if address is None:
                break  # what a trusted hop could not tell, nobody to the left of it can
            hops.append(address)
            if address not in self:
                break
        return hops


@lru_cache(maxsize=8192)
def parse(text: str) -> Address | None:
    """Return the address of `1.2.3.4`, `1.2.3.4:80`, `2001:db8::1` or `[2001:db8::1]:80`; None for anything else.

    An IPv4 address written as IPv6 (`::ffff:1.2.3.4`, what a dual-stack socket reports) is the IPv4 address.
    """
    if len(text) > 64:
        return None
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
