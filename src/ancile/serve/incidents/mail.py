"""One alert as mail (RFC 5322), over a connection to an address that was judged."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Mapping
from email.message import EmailMessage
from typing import Any

from ancile.core.errors import AncileError
from ancile.core.place import Place
from ancile.core.text import plain
from ancile.serve.incidents.config import Mail
from ancile.serve.incidents.webhook import Again

ANSWER_SECONDS = 20.0


class _Named(ssl.SSLContext):
    """Verifies the certificate for the name that was configured: smtplib knows but the judged address."""

    name = ""

    def wrap_socket(self, *arguments: Any, **named: Any) -> ssl.SSLSocket:
        """The socket, for that name."""
        return super().wrap_socket(*arguments, **{**named, "server_hostname": self.name})


def send(mail: Mail, place: Place, document: Mapping[str, object], *, password: str) -> None:
    """Send; ``Again`` where another try may help, AncileError where none will."""
    context = _Named(ssl.PROTOCOL_TLS_CLIENT)
    context.load_default_certs()
    context.name = mail.host
    server = (
        smtplib.SMTP_SSL(timeout=ANSWER_SECONDS, context=context)
        if mail.tls == "tls"
        else smtplib.SMTP(timeout=ANSWER_SECONDS)
    )
    try:
        with server:
            server.connect(str(place.addresses[0]), place.port)
            if mail.tls == "starttls":
                server.starttls(context=context)
            if mail.user:
                server.login(mail.user, password)
            server.send_message(_message(mail, document))
    except smtplib.SMTPResponseException as reason:
        if 400 <= reason.smtp_code < 500:  # RFC 5321, section 4.2.1: transient
            raise Again(str(reason.smtp_code)) from reason
        raise _refused(mail, str(reason.smtp_code)) from reason
    except (smtplib.SMTPNotSupportedError, smtplib.SMTPRecipientsRefused) as reason:
        raise _refused(mail, type(reason).__name__) from reason
    except OSError as reason:  # smtplib's own errors among them
        raise Again(type(reason).__name__) from reason


def _message(mail: Mail, document: Mapping[str, object]) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"] = mail.sender, ", ".join(mail.to)
    message["Subject"] = plain(f"ancile: {document['severity']}: {document['title']}", 150)
    message["Message-ID"] = f"<{document['id']}@ancile.invalid>"  # the same incident, the same mail
    message.set_content("\n".join(_lines(document)) + "\n")
    return message


def _lines(document: Mapping[str, object]) -> list[str]:
    shown = ("id", "rule", "severity", "first", "last", "count", "advice")
    who = document["who"]
    names = [plain(one["name"], 64) or "(unknown)" for one in who[:20]] if isinstance(who, list) else []
    return [
        *(f"{name}: {plain(str(document[name]), 300)}" for name in shown),
        f"who: {', '.join(names)}",
        "",
        f"ancile incident show {document['id']}",
    ]


def _refused(mail: Mail, value: str) -> AncileError:
    return AncileError(
        "the mail server refuses the alert",
        value=f"{mail.host}: {value}",
        remedy="see [serve.alerts] and its log",
    )
