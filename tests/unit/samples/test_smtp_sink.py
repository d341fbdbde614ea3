"""The sample mail server lists what it took by recipient and by domain."""

from __future__ import annotations

import pytest
from samples.smtp_sink import Mailbox

pytestmark = pytest.mark.unit

MAIL = b"Message-ID: <1@shop>\r\nSubject: Hello\r\n\r\nOne line.\r\n"


@pytest.mark.parametrize(
    ("recipient", "domain", "found"),
    [
        (None, None, ["ann@one.example", "Bob@One.example", "ann@two.example"]),
        ("bob@one.example", None, ["Bob@One.example"]),
        ("ann@one.example", "two.example", ["ann@one.example"]),
        (None, "one.example", ["ann@one.example", "Bob@One.example"]),
        (None, "three.example", []),
    ],
)
def test_mails_are_listed_by(recipient: str | None, domain: str | None, found: list[str]) -> None:
    mailbox = Mailbox()
    mailbox.deliver("shop@shop.example", ["ann@one.example", "Bob@One.example"], MAIL)
    mailbox.deliver("shop@shop.example", ["ann@two.example"], MAIL)
    assert [message["to"] for message in mailbox.messages(recipient, domain)] == found
