"""Messages on their way out: mail by SMTP, a JSON document to webhooks; off when nothing is configured.

Promises
- Targets come from configuration only: CREDITFLOW_CONN_ALERT_SMTP (`smtp://login:password@host:port?sender=..&to=a,b`,
  `smtps://` for TLS from the start, `starttls=yes` for TLS on the way; `to` holds the recipients) and
  CREDITFLOW_CONN_ALERT_WEBHOOK (one URL). Without them nothing is sent and nothing fails.
- A message is told once per target: what was delivered is remembered under home/alerts by its key.
- One target that fails does not keep the others from being told; the failure is raised afterwards, without any secret.
"""

from __future__ import annotations

import hashlib
import smtplib
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import formataddr
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import httpx
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from creditflow.alerts.messages import Message
from creditflow.settings import Settings, SettingsError

SMTP_CONNECTION = "alert_smtp"
WEBHOOK_CONNECTION = "alert_webhook"
TIMEOUT_SECONDS = 20.0
ATTEMPTS = 3
SENDER_NAME = "汕头市公共信用信息平台"


class AlertError(Exception):
    """Some target could not be told; the message names target and kind of fault, no address, login or text."""


@dataclass(frozen=True)
class MailServer:
    """Where mail goes. tls: '', 'starttls' or 'tls'."""

    host: str
    port: int
    sender: str
    recipients: tuple[str, ...]
    tls: str = ""
    login: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    @classmethod
    def parse(cls, url: str) -> MailServer:
        """Read a connection URL. Raises SettingsError naming what is missing."""
        parts = urlsplit(url)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        recipients = tuple(item.strip() for item in query.get("to", "").split(",") if item.strip())
        if parts.scheme not in ("smtp", "smtps") or not parts.hostname or not recipients or "sender" not in query:
            raise SettingsError(
                "告警邮件配置应为 smtp://主机:端口?sender=…&to=… / alert mail needs smtp://host:port?sender=..&to=.."
            )
        tls = "tls" if parts.scheme == "smtps" else "starttls" if query.get("starttls", "no") == "yes" else ""
        return cls(
            host=parts.hostname,
            port=parts.port or (465 if tls == "tls" else 25),
            sender=query["sender"],
            recipients=recipients,
            tls=tls,
            login=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
        )


@dataclass(frozen=True)
class Targets:
    """Who is told. Both may be absent."""

    mail: MailServer | None = None
    webhook: str | None = field(default=None, repr=False)

    def __bool__(self) -> bool:
        return self.mail is not None or self.webhook is not None


def configured(settings: Settings) -> Targets:
    """The configured targets; none is a lawful configuration. Raises SettingsError for one that cannot be read."""
    mail = _credential(settings, SMTP_CONNECTION)
    return Targets(MailServer.parse(mail) if mail else None, _credential(settings, WEBHOOK_CONNECTION))


def _credential(settings: Settings, connection_id: str) -> str | None:
    try:
        return settings.credential(connection_id)
    except SettingsError:
        return None


def send(settings: Settings, messages: Sequence[Message], targets: Targets) -> int:
    """Tell every target what it was not told yet; returns how many messages went out.

    Transport faults are tried again ATTEMPTS times. Raises AlertError after all targets had their turn.
    """
    ways: list[tuple[str, Callable[[Message], None]]] = []
    if targets.mail is not None:
        server = targets.mail
        ways.append(("mail", lambda message: _mail(server, message)))
    if targets.webhook is not None:
        url = targets.webhook
        ways.append(("webhook", lambda message: _post(url, message)))
    told, faults = 0, []
    for message in messages:
        for name, way in ways:
            mark = _mark(settings, name, message)
            if mark.exists():
                continue
            try:
                way(message)
            except (OSError, smtplib.SMTPException, httpx.HTTPError) as problem:
                faults.append(f"{name}: {type(problem).__name__}")
                continue
            mark.parent.mkdir(parents=True, exist_ok=True)
            mark.write_text(message.key + "\n", encoding="utf-8")
            told += 1
    if faults:
        raise AlertError(f"{len(faults)} 条告警未能送出 / alerts not delivered: {', '.join(sorted(set(faults)))}")
    return told


def _mark(settings: Settings, target: str, message: Message) -> Path:
    digest = hashlib.sha256(f"{target}\n{message.key}".encode()).hexdigest()[:32]
    return settings.home / "alerts" / digest


def _retrying(kinds: tuple[type[BaseException], ...]) -> Retrying:
    return Retrying(
        retry=retry_if_exception_type(kinds),
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_exponential(multiplier=0.2, max=5),
        reraise=True,
    )


def _mail(server: MailServer, message: Message) -> None:
    mail = EmailMessage()
    mail["Subject"] = message.subject.replace("\n", " ").replace("\r", " ")
    mail["From"] = formataddr((SENDER_NAME, server.sender))
    mail["To"] = ", ".join(server.recipients)
    mail["X-Creditflow-Key"] = hashlib.sha256(message.key.encode()).hexdigest()[:32]
    mail.set_content(message.body)
    for attempt in _retrying((smtplib.SMTPServerDisconnected, ConnectionError, TimeoutError)):
        with attempt:
            _hand_over(server, mail)


def _hand_over(server: MailServer, mail: EmailMessage) -> None:
    context = ssl.create_default_context()
    if server.tls == "tls":
        client: smtplib.SMTP = smtplib.SMTP_SSL(server.host, server.port, timeout=TIMEOUT_SECONDS, context=context)
    else:
        client = smtplib.SMTP(server.host, server.port, timeout=TIMEOUT_SECONDS)
    with client:
        if server.tls == "starttls":
            client.starttls(context=context)
        if server.login:
            client.login(server.login, server.password)
        refused = client.send_message(mail)
        if refused:
            raise smtplib.SMTPRecipientsRefused(refused)


def _post(url: str, message: Message) -> None:
    for attempt in _retrying((httpx.TransportError,)):
        with attempt:
            httpx.post(url, json=message.as_json(), timeout=TIMEOUT_SECONDS).raise_for_status()
