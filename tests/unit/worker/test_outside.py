"""The worker's mailer and payment client against the samples, over the wire."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal

import pytest
import uvicorn
from aiohttp import web
from aiohttp.test_utils import TestServer
from samples import payment_stub, smtp_sink

from hcs_services.worker.payment_provider import HttpPaymentProvider
from hcs_services.worker.ports import Charge, Mail
from hcs_services.worker.smtp import SmtpMailer
from hcs_services.worker.task import Permanent, Transient

pytestmark = pytest.mark.unit


@pytest.fixture
def mailbox() -> smtp_sink.Mailbox:
    return smtp_sink.Mailbox()


@pytest.fixture
async def mailer(mailbox: smtp_sink.Mailbox) -> AsyncIterator[SmtpMailer]:
    server = await smtp_sink.listen_smtp(mailbox, 0, "127.0.0.1")
    port = server.sockets[0].getsockname()[1]
    yield SmtpMailer(f"smtp://127.0.0.1:{port}?from=shop@shop.example", lambda: None)
    server.close()
    await server.wait_closed()


@pytest.fixture
def ledger() -> payment_stub.Ledger:
    return payment_stub.Ledger()


@pytest.fixture
async def provider_url(ledger: payment_stub.Ledger) -> AsyncIterator[str]:
    config = uvicorn.Config(payment_stub.app(ledger), host="127.0.0.1", port=0, log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server._serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn offers no event
        await asyncio.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    await serving


@pytest.fixture
async def provider(provider_url: str) -> AsyncIterator[HttpPaymentProvider]:
    provider = HttpPaymentProvider(provider_url, lambda: None, timeout=2)
    yield provider
    await provider.close()


def charge(token: str, key: str = "payment:t:o") -> Charge:
    return Charge(key, Decimal("19.90"), "EUR", token)


def mail(to: str, subject: str = "Grüße", body: str = "one\ntwo") -> Mail:
    return Mail("<t1@tasks.hcs.invalid>", to, subject, body)


async def test_a_mail_arrives_as_it_was_sent(mailer: SmtpMailer, mailbox: smtp_sink.Mailbox) -> None:
    await mailer.send(mail("ada@customers.example"))
    (kept,) = mailbox.messages("ada@customers.example")
    assert (kept["subject"], kept["body"], kept["message_id"]) == ("Grüße", "one\ntwo", "<t1@tasks.hcs.invalid>")
    assert kept["from"] == "shop@shop.example"


async def test_a_recipient_that_bounces_is_refused_for_good(mailer: SmtpMailer) -> None:
    with pytest.raises(Permanent, match="550"):
        await mailer.send(mail("bounce@customers.example"))


async def test_a_recipient_that_is_deferred_gets_its_mail_at_the_third_try(
    mailer: SmtpMailer, mailbox: smtp_sink.Mailbox
) -> None:
    for _ in range(2):
        with pytest.raises(Transient, match="451"):
            await mailer.send(mail("later@customers.example"))
    await mailer.send(mail("later@customers.example"))
    assert len(mailbox.messages("later@customers.example")) == 1


@pytest.mark.parametrize("to", ["-._@customers.example", "a..b@customers.example", f"{'x' * 64}@customers.example"])
@pytest.mark.parametrize("subject", ["x" * 200, "\u2028 line separator", "=?utf-8?q?encoded?=", "漢" * 200])
async def test_whatever_the_api_takes_can_be_mailed(
    mailer: SmtpMailer, mailbox: smtp_sink.Mailbox, to: str, subject: str
) -> None:
    await mailer.send(mail(to, subject, "\x00 nul, \u2029, \r and a .\n.\n" + "y" * 5000))
    assert len(mailbox.messages(to)) == 1


async def test_a_refusal_that_is_not_utf_8_can_be_told() -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mx\r\n")
        while (line := await reader.readline()).strip() not in (b"", b"QUIT"):
            writer.write("550 Empfänger unbekannt\r\n".encode("latin-1") if line.startswith(b"RCPT") else b"250 ok\r\n")
        writer.write(b"221 bye\r\n")
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        with pytest.raises(Permanent) as failed:
            await SmtpMailer(f"smtp://127.0.0.1:{port}", lambda: None).send(mail("ada@customers.example"))
    assert "550 Empf?nger unbekannt" in failed.value.detail


async def test_no_mail_server_is_worth_another_try() -> None:
    with pytest.raises(Transient):
        await SmtpMailer("smtp://127.0.0.1:9", lambda: None).send(mail("ada@customers.example"))


async def test_a_url_that_is_no_mail_server_is_found_at_the_start() -> None:
    with pytest.raises(ValueError, match="EMAIL_URL"):
        SmtpMailer("http://127.0.0.1", lambda: None)


async def test_a_charge_gives_its_id_and_the_same_one_for_the_same_key(
    provider: HttpPaymentProvider, ledger: payment_stub.Ledger
) -> None:
    assert await provider.charge(charge("tok_ok")) == await provider.charge(charge("tok_ok"))
    assert [c["amount"] for c in ledger.charges.values()] == ["19.90"]


async def test_a_declined_charge_is_permanent(provider: HttpPaymentProvider) -> None:
    with pytest.raises(Permanent) as failed:
        await provider.charge(charge("tok_declined"))
    assert failed.value.reason == "declined"


async def test_a_provider_that_is_down_is_transient_and_certainly_did_not_charge(
    provider: HttpPaymentProvider,
) -> None:
    with pytest.raises(Transient) as failed:
        await provider.charge(charge("tok_down"))
    assert not failed.value.unclear


async def test_a_provider_that_does_not_answer_in_time_may_have_charged(provider_url: str) -> None:
    provider = HttpPaymentProvider(provider_url, lambda: None, timeout=0.1)
    with pytest.raises(Transient) as failed:
        await provider.charge(charge("tok_slow_300"))
    assert failed.value.unclear
    await provider.close()


async def test_a_refund_can_be_repeated(provider: HttpPaymentProvider, ledger: payment_stub.Ledger) -> None:
    charge_id = await provider.charge(charge("tok_ok"))
    await provider.refund("r1", charge_id)
    await provider.refund("r1", charge_id)
    await provider.refund("r2", charge_id)  # refunded before, under another key: refunded
    assert ledger.charges[charge_id]["refunded"]


@pytest.mark.parametrize(
    ("status", "body", "unclear"),
    [(500, "", True), (502, "", True), (429, "", False), (200, "no JSON", True), (200, "[]", True)],
)
async def test_an_answer_that_settles_nothing_is_transient(status: int, body: str, *, unclear: bool) -> None:
    async def handle(_request: web.Request) -> web.Response:
        return web.Response(status=status, text=body)

    app = web.Application()
    app.router.add_post("/charges", handle)
    async with TestServer(app) as server:
        provider = HttpPaymentProvider(str(server.make_url("")), lambda: "token")
        with pytest.raises(Transient) as failed:
            await provider.charge(charge("tok_ok"))
        assert failed.value.unclear is unclear
        await provider.close()
