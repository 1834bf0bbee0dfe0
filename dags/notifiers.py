"""Tell people: `CreditOffice("alarm", closed=False)` at once after the gate, `CreditOffice("alarm")` at the cut-off and in
the morning, when silence counts too, and `CreditOffice("digest")` in the morning.

Targets are the Airflow connections (or variables CREDITFLOW_CONN_...) `alert_smtp` and `alert_webhook`; without them it
does nothing. A message is told once: running a task again tells nobody twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from airflow.sdk import BaseNotifier
from wiring import as_of, settings, take_credential

if TYPE_CHECKING:
    from airflow.sdk import Context


class CreditOffice(BaseNotifier):
    """Sends the digest or the alarms of the run's business date to the configured targets."""

    def __init__(self, what: Literal["digest", "alarm"], *, closed: bool = True, **more: Any) -> None:
        super().__init__(**more)
        self.what = what
        self.closed = closed

    def notify(self, context: Context) -> None:
        from creditflow.alerts import alarms, configured, digest, night_facts, send
        from creditflow.alerts.sending import SMTP_CONNECTION, WEBHOOK_CONNECTION

        for connection_id in (SMTP_CONNECTION, WEBHOOK_CONNECTION):
            take_credential(connection_id)
        targets = configured(settings())
        if not targets:
            self.log.info("no alert targets are configured")
            return
        facts = night_facts(settings(), as_of(context))
        messages = [digest(facts)] if self.what == "digest" else alarms(facts, closed=self.closed)
        told = send(settings(), messages, targets)
        self.log.info("%s: %s messages sent", self.what, told)
