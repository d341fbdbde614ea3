from __future__ import annotations

import asyncio
import datetime as dt
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from hcs_services.database.connection import tls_context
from hcs_services.settings import MissingCredentialError, Settings

NAME = "shop-db-0.shop.svc.cluster.local"


def issue(folder: Path, dns_name: str) -> ssl.SSLContext:
    """A CA in database/ca.crt and a server context with a certificate of its own for this name."""
    now = dt.datetime.now(dt.UTC)
    day = dt.timedelta(days=1)

    def certificate(
        subject: str, key: ec.EllipticCurvePrivateKey, issuer: str, by: ec.EllipticCurvePrivateKey, *, ca: bool
    ) -> x509.Certificate:
        builder = x509.CertificateBuilder(
            x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]),
            x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]),
            key.public_key(),
            x509.random_serial_number(),
            now - day,
            now + day,
        )
        builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(subject)]), critical=False)
        return builder.sign(by, hashes.SHA256())

    authority, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    pem = serialization.Encoding.PEM
    (folder / "database").mkdir()
    (folder / "database" / "ca.crt").write_bytes(
        certificate("ca.example", authority, "ca.example", authority, ca=True).public_bytes(pem)
    )
    (folder / "tls.crt").write_bytes(certificate(dns_name, key, "ca.example", authority, ca=False).public_bytes(pem))
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "tls.key").write_bytes(private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    return context


async def handshake(server: ssl.SSLContext, client: ssl.SSLContext) -> None:
    """As the driver does it: to an address, asking for that address's name."""

    async def accept(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    listener = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=server)
    async with listener:
        port = listener.sockets[0].getsockname()[1]
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client, server_hostname="127.0.0.1")
        writer.close()


async def test_a_certificate_of_the_services_name_is_trusted_at_an_address(tmp_path: Path) -> None:
    server = issue(tmp_path, NAME)
    client = tls_context(Settings(credentials_dir=tmp_path), NAME)

    assert client is not None
    await handshake(server, client)


async def test_a_certificate_of_another_name_is_refused(tmp_path: Path) -> None:
    server = issue(tmp_path, "other-db-0.shop.svc.cluster.local")
    client = tls_context(Settings(credentials_dir=tmp_path), NAME)

    assert client is not None
    with pytest.raises(ssl.SSLCertVerificationError):
        await handshake(server, client)


async def test_a_certificate_of_another_authority_is_refused(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "ours").mkdir()
    server = issue(tmp_path / "theirs", NAME)
    issue(tmp_path / "ours", NAME)
    client = tls_context(Settings(credentials_dir=tmp_path / "ours"), NAME)

    assert client is not None
    with pytest.raises(ssl.SSLCertVerificationError):
        await handshake(server, client)


def test_tls_is_not_given_up_for_want_of_a_ca(tmp_path: Path) -> None:
    with pytest.raises(MissingCredentialError):
        tls_context(Settings(credentials_dir=tmp_path), NAME)


def test_tls_is_off_only_where_it_was_switched_off(tmp_path: Path) -> None:
    assert tls_context(Settings(credentials_dir=tmp_path, database_tls="off"), NAME) is None
