"""A mail server that keeps what it gets and shows it over HTTP: `python -m samples.smtp_sink`.

SMTP on SMTP_PORT (1025), HTTP on HTTP_PORT (8081): `GET /messages?to=<address>` lists what was delivered, oldest first;
`?domain=<domain>` lists all that went there.
Recipients that start with `bounce` are refused for good (550); one that starts with `later` is deferred twice (451).
"""

import asyncio
from collections import Counter, defaultdict
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import uvicorn
from aiosmtpd.smtp import SMTP, Envelope, Session
from fastapi import FastAPI
from pydantic_settings import BaseSettings

DEFERRALS = 2


class Settings(BaseSettings):
    """Ports to listen on."""

    smtp_port: int = 1025
    http_port: int = 8081


class Mailbox:
    """Delivered messages by recipient and by its domain, and how often each `later…` recipient was deferred."""

    def __init__(self) -> None:
        self._by_recipient: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self._by_domain: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self._all: list[dict[str, Any]] = []
        self._deferred: Counter[str] = Counter()

    def refusal(self, recipient: str) -> str | None:
        """The SMTP reply that turns this recipient away now, or None."""
        name = recipient.lower()
        if name.startswith("bounce"):
            return "550 5.1.1 No such mailbox"
        if name.startswith("later") and self._deferred[name] < DEFERRALS:
            self._deferred[name] += 1
            return "451 4.2.1 Try again later"
        return None

    def deliver(self, sender: str, recipients: list[str], content: bytes) -> None:
        """Keep one message for each recipient."""
        message = message_from_bytes(content, policy=policy.default)
        assert isinstance(message, EmailMessage)
        body = message.get_body(preferencelist=("plain",))
        for recipient in recipients:
            kept = {
                "message_id": str(message["Message-ID"] or ""),
                "from": sender,
                "to": recipient,
                "subject": str(message["Subject"] or ""),
                "body": body.get_content().removesuffix("\n") if body is not None else "",
                "received_at": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
            }
            self._all.append(kept)
            self._by_recipient[recipient.lower()].append(kept)
            self._by_domain[recipient.lower().rpartition("@")[2]].append(kept)

    def messages(self, recipient: str | None, domain: str | None = None) -> list[dict[str, Any]]:
        """What was delivered to `recipient`, else to anybody of `domain`, else everything."""
        if recipient is not None:
            return self._by_recipient.get(recipient.lower(), [])
        return self._all if domain is None else self._by_domain.get(domain.lower(), [])


class Handler:
    """aiosmtpd's hooks, over a mailbox."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox

    async def handle_RCPT(  # noqa: N802 - aiosmtpd finds its hooks by these names
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """Accept, defer or refuse one recipient."""
        refusal = self._mailbox.refusal(address)
        if refusal is not None:
            return refusal
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Keep the message for the recipients that were accepted."""
        content = envelope.content if isinstance(envelope.content, bytes) else str(envelope.content or "").encode()
        self._mailbox.deliver(envelope.mail_from or "", envelope.rcpt_tos, content)
        return "250 OK"


def app(mailbox: Mailbox) -> FastAPI:
    """The HTTP side."""
    api = FastAPI(title="Sample SMTP sink")

    @api.get("/messages")
    async def messages(to: str | None = None, domain: str | None = None) -> list[dict[str, Any]]:
        return mailbox.messages(to, domain)

    @api.get("/healthz")
    async def healthz() -> dict[str, bool]:
        return {"ok": True}

    return api


async def listen_smtp(mailbox: Mailbox, port: int, host: str = "0.0.0.0") -> asyncio.Server:
    """Open the SMTP side; the caller closes it."""
    loop = asyncio.get_running_loop()
    handler = Handler(mailbox)
    return await loop.create_server(lambda: SMTP(handler, enable_SMTPUTF8=True, loop=loop), host, port)


async def main() -> None:
    """Serve both sides until SIGTERM."""
    settings, mailbox = Settings(), Mailbox()
    smtp = await listen_smtp(mailbox, settings.smtp_port)
    config = uvicorn.Config(app(mailbox), host="0.0.0.0", port=settings.http_port, log_level="info", access_log=False)
    async with smtp:
        await uvicorn.Server(config).serve()


if __name__ == "__main__":
    asyncio.run(main())
