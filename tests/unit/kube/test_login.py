"""kopf signs in with the same token as the client, however the scheme in front of it is spelt."""

import pytest

from hcs_operator.kube.aio import bearer

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("header", ["Bearer t0ken", "bearer t0ken", "bearer t0ken\n", "t0ken"])
def test_the_token_is_what_follows_the_scheme(header: str) -> None:
    assert bearer(header) == "t0ken"


def test_without_a_header_there_is_no_token() -> None:
    assert bearer("") is None
