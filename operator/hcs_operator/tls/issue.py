"""Issues certificates: what is issued follows from the key and the time given; the clock and the dice are the caller's.

P-256 throughout: each MySQL, OpenSSL and client of today takes it, and a key is made in under a millisecond.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_LIFE = timedelta(days=3650)
SERVER_LIFE = timedelta(days=90)
BACKDATED = timedelta(hours=1)
"""A certificate is valid from a little before its issue: nodes' clocks differ."""


@dataclass(frozen=True)
class Pair:
    """A certificate and its private key, PEM."""

    certificate: str
    key: str


def new_key() -> str:
    """Make a private key, PEM (PKCS #8, not encrypted: it lives in a Secret). The only dice in this package."""
    key = ec.generate_private_key(ec.SECP256R1())
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return key.private_bytes(encoding, form, serialization.NoEncryption()).decode()


def authority(stack: str, key: str, now: datetime) -> Pair:
    """Issue the stack's self-signed authority; it may sign server certificates and nothing below them."""
    private = _load(key)
    name = _name(f"{stack} database authority")
    usage = _usage(signs_certificates=True)
    builder = (
        _builder(name, name, private.public_key(), now, AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(private.public_key()), critical=False)
    )
    return Pair(_pem(builder.sign(private, hashes.SHA256())), key)


def server(stack: str, names: Sequence[str], key: str, issuer: Pair, now: datetime) -> Pair:
    """Issue MySQL's certificate for these DNS names, for both ends of a connection: members connect to each other."""
    private, signer = _load(key), _load(issuer.key)
    parent = x509.load_pem_x509_certificate(issuer.certificate.encode())
    purposes = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    builder = (
        _builder(_name(f"{stack} database"), parent.subject, private.public_key(), now, SERVER_LIFE)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    return Pair(_pem(builder.sign(signer, hashes.SHA256())), key)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, life: timedelta
) -> x509.CertificateBuilder:
    now = now.astimezone(UTC).replace(microsecond=0)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(_serial(key, now))
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + life)
    )


def _serial(key: ec.EllipticCurvePublicKey, now: datetime) -> int:
    """Follow from key and time: unlike a random one it keeps issuance pure, and it is as unique as the key."""
    encoded = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    digest = hashlib.sha256(encoded + now.isoformat().encode()).digest()
    return int.from_bytes(digest[:16], "big") | 1


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _load(key: str) -> ec.EllipticCurvePrivateKey:
    private = serialization.load_pem_private_key(key.encode(), password=None)
    if not isinstance(private, ec.EllipticCurvePrivateKey):
        raise ValueError("the key is not an elliptic curve key")  # noqa: TRY004 - the text is wrong, not its type
    return private


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
