"""Who the client is, behind proxies that are trusted and ones that are not."""

from ipaddress import IPv4Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hcs_services.gateway.client_address import TrustedProxies, parse

pytestmark = pytest.mark.unit
TRUSTED = TrustedProxies((ip_network("10.0.0.0/8"), ip_network("2001:db8::/32")))


def address(proxies: TrustedProxies, peer: str, *forwarded_for: str) -> str:
    return str(proxies.client(peer, forwarded_for, (), "shop").address)


def test_without_trusted_proxies_the_peer_is_the_client() -> None:
    assert address(TrustedProxies(), "10.0.0.9", "1.2.3.4") == "10.0.0.9"


def test_a_header_from_an_untrusted_peer_is_ignored() -> None:
    assert address(TRUSTED, "203.0.113.7", "1.2.3.4") == "203.0.113.7"


def test_the_client_is_the_rightmost_address_that_is_not_a_trusted_proxy() -> None:
    assert address(TRUSTED, "10.0.0.1", "198.51.100.1, 203.0.113.7, 10.0.0.2") == "203.0.113.7"


def test_lines_of_the_header_are_one_list() -> None:
    assert address(TRUSTED, "10.0.0.1", "198.51.100.1", "203.0.113.7,10.0.0.2") == "203.0.113.7"


def test_an_unreadable_entry_ends_the_belief() -> None:
    assert address(TRUSTED, "10.0.0.1", "203.0.113.7, unknown, 10.0.0.2") == "10.0.0.2"


def test_a_call_from_within_the_trusted_network_is_the_leftmost_proxys() -> None:
    assert address(TRUSTED, "10.0.0.1", "10.0.0.3, 10.0.0.2") == "10.0.0.3"


def test_an_ipv4_peer_on_a_dual_stack_socket_is_its_ipv4_address() -> None:
    assert address(TRUSTED, "::ffff:10.0.0.1", "203.0.113.7") == "203.0.113.7"


def test_ports_and_brackets_are_read() -> None:
    assert parse("203.0.113.7:4711") == ip_address("203.0.113.7")
    assert parse("[2001:db8::7]:4711") == ip_address("2001:db8::7")
    assert parse("_hidden") is None
    assert parse("") is None


def test_the_scheme_is_believed_from_trusted_peers_only() -> None:
    assert TRUSTED.client("10.0.0.1", (), ("https",), "shop").scheme == "https"
    assert TRUSTED.client("203.0.113.7", (), ("https",), "shop").scheme == "http"
    assert TRUSTED.client("10.0.0.1", (), ("javascript",), "shop").scheme == "http"


@given(forged=st.lists(st.one_of(st.ip_addresses().map(str), st.text(max_size=12)), max_size=6))
def test_nothing_a_client_writes_changes_who_it_is(forged: list[str]) -> None:
    """The trusted proxy appends the address it saw to whatever came."""
    forwarded = ",".join([*forged, "203.0.113.7"])
    client = TRUSTED.client("10.0.0.1", (forwarded,), (), "shop")
    assert client.address == IPv4Address("203.0.113.7")
    assert [str(hop) for hop in client.chain] == ["203.0.113.7", "10.0.0.1"]
