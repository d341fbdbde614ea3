"""The mailer: aiosmtplib, one connection a mail, replies sorted into "never" and "later"."""

from collections.abc import Callable
from email.message import EmailMessage
from email.utils import formatdate
from typing import Final
from urllib.parse import parse_qs, urlsplit

import aiosmtplib

from hcs_services.worker.ports import Mail
from hcs_services.worker.task import Permanent, Transient

TIMEOUT_SECONDS: Final = 20.0


class SmtpMailer:
    """Sends through `smtp://host:port` (or `smtps://`), as `?from=<address>` of that URL, else as `no-reply@<host>`.

    Credentials are read for each mail, None where not set.
    """

    def __init__(self, url: str, credentials: Callable[[], tuple[str, str] | None]) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
            raise ValueError("EMAIL_URL is smtp://host:port or smtps://host:port")
        self._host = parts.hostname
        self._tls = parts.scheme == "smtps"
        self._port = parts.port or (465 if self._tls else 25)
        self._sender = parse_qs(parts.query).get("from", [f"no-reply@{parts.hostname}"])[0]
        self._credentials = credentials

    async def send(self, mail: Mail) -> None:
        """Hand one mail over. Raises Permanent for a 5xx reply, Transient for a 4xx or no reply."""
        user, password = self._credentials() or (None, None)
        try:
            await aiosmtplib.send(
                compose(mail, self._sender),
                sender=self._sender,
                recipients=[mail.to],
                hostname=self._host,
                port=self._port,
                username=user,
                password=password,
                use_tls=self._tls,
                timeout=TIMEOUT_SECONDS,
            )
        except aiosmtplib.SMTPRecipientsRefused as error:
            raise _by_code(error.recipients[0].code, error.recipients[0].message) from error
        except aiosmtplib.SMTPResponseException as error:
            raise _by_code(error.code, error.message) from error
        except (aiosmtplib.SMTPException, OSError) as error:
            raise Transient("mail-server", f"{type(error).__name__} from the mail server") from error


def compose(mail: Mail, sender: str) -> EmailMessage:
    """The message as sent. Raises Permanent for headers that no mail can carry."""
    message = EmailMessage()
    try:
        message["Message-ID"] = mail.message_id
        message["From"] = sender
        message["To"] = mail.to
        # U+2028 and U+2029 are characters of a subject but would end the line of a header.
        message["Subject"] = " ".join(mail.subject.splitlines())
        message["Date"] = formatdate()
        message.set_content(mail.body, cte="base64")
    except (ValueError, UnicodeError) as error:
        raise Permanent("unmailable", f"not a mail: {error}") from error
    return message


def _by_code(code: int, reply: str) -> Permanent | Transient:
    if code >= 500:
        return Permanent("mail-refused", f"the mail server answered {code} {reply}"[:300])
    return Transient("mail-deferred", f"the mail server answered {code} {reply}"[:300])
