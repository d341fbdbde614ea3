"""Which certificates must be written now: none at rest; the server's and the authority's at two thirds of their life.

A new authority is published beside the old one (`ca.crt` is a bundle) a day before it signs, so that clients have it.
What is found and cannot be used (a damaged PEM, a name that is missing) is replaced, as it is nobody's data.

An authority whose Secret is lost stays trusted for as long as the server's Secret names it: mysqld serves a certificate
of it, and a mounted Secret or ConfigMap is current only after a minute or two.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization

from hcs_operator.api.observed import Child
from hcs_operator.tls.issue import Pair, authority, new_key, server

__all__ = ["TlsNames", "dns_names", "new_key", "wanted"]

PUBLISHED_FIRST = timedelta(days=1)
"""How long a new authority is only published before it signs; a mounted Secret is current after about a minute."""


@dataclass(frozen=True)
class TlsNames:
    """The stack whose certificates these are."""

    stack: str
    namespace: str
    cluster_domain: str = "cluster.local"

    @property
    def authority(self) -> Child:
        """Name the Secret of the authority: ca.crt (bundle, newest first) and ca.key (of the newest)."""
        return Child("Secret", f"{self.stack}-ca")

    @property
    def server(self) -> Child:
        """Name the Secret that mysqld mounts: tls.crt, tls.key, ca.crt."""
        return Child("Secret", f"{self.stack}-db-tls")

    @property
    def bundle(self) -> Child:
        """Name the ConfigMap that clients mount: ca.crt."""
        return Child("ConfigMap", f"{self.stack}-ca")


def dns_names(names: TlsNames, shard: int = 0) -> tuple[str, ...]:
    """Return the names in the server's certificate: the pods' own, their headless Services, and the role Services."""
    root = f"{names.namespace}.svc.{names.cluster_domain}"
    headless = (f"{names.stack}-db-{shard}.{root}", f"{names.stack}-replica-{shard}.{root}")
    roles = (f"{names.stack}-primary", f"{names.stack}-read")
    short = f"{names.namespace}.svc"
    return (
        *headless,
        *(f"*.{host}" for host in headless),
        *(f"{role}.{root}" for role in roles),
        *(f"{role}.{short}" for role in roles),
    )


def wanted(
    names: TlsNames,
    found: Mapping[Child, Mapping[str, str]],
    now: datetime,
    make_key: Callable[[], str] = new_key,
) -> dict[Child, dict[str, str]]:
    """Return the text data of each Secret and ConfigMap that must be written now; empty at rest.

    `found` holds what exists of the three objects that `names` names, as text.
    """
    written: dict[Child, dict[str, str]] = {}
    held = found.get(names.authority, {})
    certificates = _parse(held.get("ca.crt", ""))
    if not certificates or not _matches(certificates[0], held.get("ca.key", "")) or _due(certificates[0], now):
        pair = authority(names.stack, make_key(), now)
        trusted = certificates or _parse(found.get(names.server, {}).get("ca.crt", ""))
        kept = [certificate for certificate in trusted if certificate.not_valid_after_utc > now]
        certificates = [*_parse(pair.certificate), *kept]
        held = {"ca.crt": _bundle(certificates), "ca.key": pair.key}
        written[names.authority] = dict(held)
    bundle = _bundle(certificates)
    pair = Pair(_bundle(certificates[:1]), held["ca.key"])
    mounted = found.get(names.server, {})
    if _server_due(mounted, dns_names(names), certificates, now):
        issued = server(names.stack, dns_names(names), make_key(), pair, now)
        written[names.server] = {"tls.crt": issued.certificate, "tls.key": issued.key, "ca.crt": bundle}
    elif mounted.get("ca.crt") != bundle:
        written[names.server] = {**mounted, "ca.crt": bundle}
    if found.get(names.bundle, {}).get("ca.crt") != bundle:
        written[names.bundle] = {"ca.crt": bundle}
    return written


def _server_due(
    mounted: Mapping[str, str], expected: tuple[str, ...], certificates: list[x509.Certificate], now: datetime
) -> bool:
    current = next(iter(_parse(mounted.get("tls.crt", ""))), None)
    if current is None or not _matches(current, mounted.get("tls.key", "")):
        return True
    if set(expected) - _names(current) or current.not_valid_after_utc <= now:
        return True
    if not any(_issued(current, issuer) for issuer in certificates):
        return True
    fresh = now - certificates[0].not_valid_before_utc < PUBLISHED_FIRST
    return _due(current, now) and not (fresh and len(certificates) > 1)


def _due(certificate: x509.Certificate, now: datetime) -> bool:
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return now.astimezone(UTC) >= begin + (end - begin) * 2 / 3


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _names(certificate: x509.Certificate) -> set[str]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return set()
    return set(extension.value.get_values_for_type(x509.DNSName))


def _matches(certificate: x509.Certificate, key: str) -> bool:
    try:
        private = serialization.load_pem_private_key(key.encode(), password=None)
    except (ValueError, TypeError):
        return False
    return private.public_key() == certificate.public_key()


def _parse(pem: str) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem.encode())
    except ValueError:
        return []


def _bundle(certificates: list[x509.Certificate]) -> str:
    return "".join(certificate.public_bytes(serialization.Encoding.PEM).decode() for certificate in certificates)
