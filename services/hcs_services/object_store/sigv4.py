"""AWS Signature Version 4 for S3, the part that header-signed requests of known bodies need.

Of our own, because the libraries that sign either bring a whole SDK (botocore: 14 MB of service models) or a second
HTTP client; the algorithm is fixed and short, and the tests hold it to the worked examples of AWS's documentation
(https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html).
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote

ALGORITHM: Final = "AWS4-HMAC-SHA256"


@dataclass(frozen=True, slots=True)
class Credentials:
    """An access key and its secret; the secret stays out of the repr."""

    access_key: str
    secret_key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Request:
    """What is signed: the path unencoded, the body whole."""

    method: str
    host: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict, hash=False)
    query: Mapping[str, str] = field(default_factory=dict, hash=False)
    body: bytes = b""


def encode_path(path: str) -> str:
    """The path as it stands in the canonical request and must stand on the wire: each segment encoded once."""
    return quote(path, safe="/-_.~")


def sign(request: Request, credentials: Credentials, region: str, now: datetime) -> dict[str, str]:
    """All headers to send: the request's own, `host`, the `x-amz-*` ones and `authorization`; names in lower case."""
    moment = now.astimezone(UTC)
    stamp = moment.strftime("%Y%m%dT%H%M%SZ")
    digest = hashlib.sha256(request.body).hexdigest()
    headers = {name.lower(): " ".join(value.split()) for name, value in request.headers.items()}
    headers |= {"host": request.host, "x-amz-content-sha256": digest, "x-amz-date": stamp}
    names = ";".join(sorted(headers))
    scope = f"{moment:%Y%m%d}/{region}/s3/aws4_request"
    canonical = _canonical(request, headers, names, digest)
    to_sign = "\n".join((ALGORITHM, stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()))
    signature = _mac(_signing_key(credentials.secret_key, scope), to_sign).hex()
    authorization = (
        f"{ALGORITHM} Credential={credentials.access_key}/{scope},SignedHeaders={names},Signature={signature}"
    )
    return headers | {"authorization": authorization}


def _canonical(request: Request, headers: Mapping[str, str], names: str, digest: str) -> str:
    query = "&".join(f"{quote(k, safe='-_.~')}={quote(v, safe='-_.~')}" for k, v in sorted(request.query.items()))
    lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
    return "\n".join((request.method, encode_path(request.path), query, lines, names, digest))


def _signing_key(secret: str, scope: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = _mac(key, part)
    return key


def _mac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()
