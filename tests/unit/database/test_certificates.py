"""The stack's own certificates: issued from key and time, renewed in time, verified as a client verifies them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509 import DNSName
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from hcs_operator.api.observed import Child
from hcs_operator.tls.certificates import TlsNames, dns_names, wanted
from hcs_operator.tls.issue import AUTHORITY_LIFE, SERVER_LIFE, new_key

pytestmark = pytest.mark.unit

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
NAMES = TlsNames("shop", "shop-ns")
Held = dict[Child, dict[str, str]]


def verified(held: Held, host: str, now: datetime, bundle: str = "") -> bool:
    """Verify the server's certificate as a client with the published bundle would."""
    trusted = x509.load_pem_x509_certificates((bundle or held[NAMES.bundle]["ca.crt"]).encode())
    served = x509.load_pem_x509_certificate(held[NAMES.server]["tls.crt"].encode())
    verifier = PolicyBuilder().store(Store(trusted)).time(now).build_server_verifier(DNSName(host))
    try:
        verifier.verify(served, [])
    except VerificationError:
        return False
    return True


def at(held: Held, now: datetime) -> Held:
    return {**held, **wanted(NAMES, held, now)}


def test_at_first_sight_all_three_are_made() -> None:
    assert set(wanted(NAMES, {}, NOW)) == {NAMES.authority, NAMES.server, NAMES.bundle}


@pytest.mark.parametrize("later", [timedelta(), timedelta(days=30), timedelta(days=59)])
def test_at_rest_nothing_is_written(later: timedelta) -> None:
    assert wanted(NAMES, at({}, NOW), NOW + later) == {}


@pytest.mark.parametrize(
    "host",
    [
        "shop-db-0-0.shop-db-0.shop-ns.svc.cluster.local",
        "shop-replica-0-3.shop-replica-0.shop-ns.svc.cluster.local",
        "shop-db-0.shop-ns.svc.cluster.local",
        "shop-replica-0.shop-ns.svc.cluster.local",
        "shop-primary.shop-ns.svc.cluster.local",
        "shop-read.shop-ns.svc.cluster.local",
    ],
)
def test_a_client_trusts_each_name_of_the_database(host: str) -> None:
    assert verified(at({}, NOW), host, NOW)


@pytest.mark.parametrize(
    "host", ["shop-db-0.other.svc.cluster.local", "elsewhere", "a.b.shop-db-0.shop-ns.svc.cluster.local"]
)
def test_a_client_trusts_no_other_name(host: str) -> None:
    assert not verified(at({}, NOW), host, NOW)


def test_another_stacks_authority_is_not_trusted() -> None:
    ours = at({}, NOW)
    theirs = at({}, NOW)
    host = "shop-primary.shop-ns.svc.cluster.local"
    assert not verified(ours, host, NOW, bundle=theirs[NAMES.bundle]["ca.crt"])


def test_the_server_certificate_is_renewed_at_two_thirds_of_its_life_with_a_new_key() -> None:
    first = at({}, NOW)
    due = NOW + SERVER_LIFE * 2 / 3
    written = wanted(NAMES, first, due)
    assert set(written) == {NAMES.server}
    assert written[NAMES.server]["tls.key"] != first[NAMES.server]["tls.key"]
    assert verified({**first, **written}, "shop-primary.shop-ns.svc.cluster.local", due + timedelta(days=45))


def test_a_new_authority_is_published_beside_the_old_one_and_signs_a_day_later() -> None:
    host = "shop-primary.shop-ns.svc.cluster.local"
    first = at({}, NOW)
    due = NOW + AUTHORITY_LIFE * 2 / 3
    fresh = at(first, due - SERVER_LIFE * 2 / 3)
    published = at(fresh, due)
    assert published[NAMES.server]["tls.crt"] == fresh[NAMES.server]["tls.crt"]
    assert verified(published, host, due, bundle=first[NAMES.bundle]["ca.crt"])
    signed = at(published, due + timedelta(days=2))
    assert signed[NAMES.server]["tls.crt"] != fresh[NAMES.server]["tls.crt"]
    assert verified(signed, host, due + timedelta(days=2))
    assert verified(published, host, due + timedelta(days=2), bundle=signed[NAMES.bundle]["ca.crt"])


@pytest.mark.parametrize("lost", [{}, {"ca.crt": "no certificate", "ca.key": "no key"}])
def test_a_lost_authority_stays_trusted_beside_the_new_one_and_the_server_keeps_its_certificate(
    lost: dict[str, str],
) -> None:
    first = at({}, NOW)
    host = "shop-primary.shop-ns.svc.cluster.local"
    second = at({**first, NAMES.authority: lost}, NOW)
    assert second[NAMES.server]["tls.crt"] == first[NAMES.server]["tls.crt"]
    assert verified(second, host, NOW)
    assert verified(second, host, NOW, bundle=first[NAMES.bundle]["ca.crt"]), "a client with the old bundle"
    signed = at({**second, NAMES.server: {}}, NOW + timedelta(days=2))
    assert not verified(signed, host, NOW + timedelta(days=2), bundle=first[NAMES.bundle]["ca.crt"])
    assert wanted(NAMES, second, NOW) == {}


def test_an_authority_is_given_up_for_good_by_deleting_both_secrets() -> None:
    first = at({}, NOW)
    second = at({NAMES.bundle: first[NAMES.bundle]}, NOW)
    assert not set(_pems(first[NAMES.bundle]["ca.crt"])) & set(_pems(second[NAMES.bundle]["ca.crt"]))


def _pems(bundle: str) -> list[str]:
    return [it.fingerprint(SHA256()).hex() for it in x509.load_pem_x509_certificates(bundle.encode())]


@pytest.mark.parametrize(
    "damage",
    [
        {NAMES.server: {"tls.crt": "not a certificate", "tls.key": "", "ca.crt": ""}},
        {NAMES.server: {}},
        {NAMES.authority: {"ca.crt": "", "ca.key": ""}},
        {NAMES.bundle: {"ca.crt": "edited"}},
    ],
    ids=["damaged server", "deleted server", "deleted authority", "edited bundle"],
)
def test_what_was_damaged_is_made_whole(damage: Held) -> None:
    healed = at({**at({}, NOW), **damage}, NOW)
    assert verified(healed, "shop-primary.shop-ns.svc.cluster.local", NOW)
    assert wanted(NAMES, healed, NOW) == {}


def test_a_server_key_that_does_not_fit_its_certificate_is_replaced() -> None:
    held = at({}, NOW)
    held[NAMES.server] = {**held[NAMES.server], "tls.key": new_key()}
    assert NAMES.server in wanted(NAMES, held, NOW)


def test_the_longest_stack_name_still_fits() -> None:
    names = TlsNames("s" * 40, "n" * 63)
    assert wanted(names, {}, NOW)
    assert len(dns_names(names)) == 8
