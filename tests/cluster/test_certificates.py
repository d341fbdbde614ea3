"""MySQL's certificate and the stack's authority are renewed, and made anew when lost, while writes go on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from tests.cluster.conftest import Stack
from tests.cluster.kubectl import until

from hcs_operator.tls.certificates import PUBLISHED_FIRST, TlsNames, dns_names
from hcs_operator.tls.issue import SERVER_LIFE, Pair, authority, new_key, server

pytestmark = pytest.mark.cluster

MOUNTED_SECONDS = 90
"""A changed Secret reaches a pod's files within about a minute."""
SERVED = """
from hcs_operator.mysql.session import over_socket
with over_socket("/run/mysqld/mysqld.sock") as session:
    print(session.query("SHOW GLOBAL STATUS LIKE 'Ssl_server_not_after'"))
"""


def test_an_aged_certificate_and_a_lost_authority_are_replaced_while_writes_go_on(shop: Stack) -> None:
    shop.until_ready()
    _age_the_authority(shop)
    served, trusted = _served(shop), shop.kubectl.secret("shop-ca", "ca.crt")
    with shop.under_load() as load:
        aged = _age_the_certificate(shop)
        until("it is renewed", lambda: shop.kubectl.secret("shop-db-tls", "tls.crt") != aged, 30)
        shop.kubectl.delete("secret", "shop-ca")
        until("there is another authority", lambda: shop.kubectl.secret("shop-ca", "ca.crt") not in {"", trusted}, 30)
        until("mysqld serves the renewed certificate", lambda: _served(shop) != served, MOUNTED_SECONDS, every=1)
        load.until_acknowledged(100, "since", 120)
    shop.until_ready(30)


def _served(shop: Stack) -> str:
    """The end of the life of the certificate that mysqld shows its clients."""
    return shop.kubectl.run("exec", "shop-db-0-0", "-c", "agent", "--", "python3", "-c", SERVED)


def _age_the_authority(shop: Stack) -> None:
    """Has an authority that came in place of another one be two days old: before that it does not sign.

    So is the stack's where this test has run before.
    """
    bundle, key = (shop.kubectl.secret("shop-ca", name) for name in ("ca.crt", "ca.key"))
    _, _, others = bundle.partition("-----END CERTIFICATE-----\n")
    if others:
        aged = authority("shop", key, datetime.now(UTC) - 2 * PUBLISHED_FIRST).certificate + others
        shop.kubectl.patch("secret", "shop-ca", {"stringData": {"ca.crt": aged}})
        until("it is published", lambda: shop.kubectl.secret("shop-db-tls", "ca.crt") == aged, 30)


def _age_the_certificate(shop: Stack) -> str:
    """Puts a certificate in place whose life is two thirds over, and answers it."""
    issuer = Pair(shop.kubectl.secret("shop-ca", "ca.crt"), shop.kubectl.secret("shop-ca", "ca.key"))
    names = dns_names(TlsNames("shop", shop.resource()["metadata"]["namespace"]))
    aged = server("shop", names, new_key(), issuer, datetime.now(UTC) - SERVER_LIFE * 2 / 3 - timedelta(hours=1))
    shop.kubectl.patch("secret", "shop-db-tls", {"stringData": {"tls.crt": aged.certificate, "tls.key": aged.key}})
    return aged.certificate
