"""Signatures against the worked examples of AWS's documentation.

https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html (its published example credentials).
"""

from datetime import UTC, datetime

import pytest

from hcs_services.object_store.sigv4 import Credentials, Request, encode_path, sign

pytestmark = pytest.mark.unit

EXAMPLE = Credentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
HOST = "examplebucket.s3.amazonaws.com"
DAY = datetime(2013, 5, 24, tzinfo=UTC)


@pytest.mark.parametrize(
    ("request_", "signature"),
    [
        (
            Request("GET", HOST, "/test.txt", {"Range": "bytes=0-9"}),
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        ),
        (
            Request(
                "PUT",
                HOST,
                "/test$file.text",
                {"Date": "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY"},
                body=b"Welcome to Amazon S3.",
            ),
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
        ),
        (
            Request("GET", HOST, "/", query={"lifecycle": ""}),
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
        ),
        (
            Request("GET", HOST, "/", query={"max-keys": "2", "prefix": "J"}),
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        ),
    ],
    ids=["get", "put", "subresource", "list"],
)
def test_the_documented_examples_are_signed_as_documented(request_: Request, signature: str) -> None:
    headers = sign(request_, EXAMPLE, "us-east-1", DAY)
    assert headers["authorization"].endswith(f"Signature={signature}")


def test_a_path_is_encoded_once_segment_by_segment() -> None:
    assert encode_path("/orders/2026-11-23T00:00:00Z/a b.ndjson") == "/orders/2026-11-23T00%3A00%3A00Z/a%20b.ndjson"


def test_the_secret_stays_out_of_the_repr() -> None:
    assert EXAMPLE.secret_key not in repr(EXAMPLE)
