"""Digest and alarms: what they say, and that they arrive at a real mail server and a real webhook."""

from __future__ import annotations

import asyncio
import email
import email.policy
import http.server
import json
import sys
import threading
from collections.abc import Iterator
from typing import Any, Self

import pytest

from creditflow.alerts import (
    AlertError,
    BatchFact,
    DepartmentFact,
    MailServer,
    NightFacts,
    SilentFact,
    Targets,
    alarms,
    configured,
    digest,
    night_facts,
    send,
)
from creditflow.quality.issues import sweep_issues
from creditflow.settings import SettingsError
from tests.conftest import PROJECT
from tests.issue_world import DAY, settle

GOOD = DepartmentFact(
    "kjj", "市科学技术局", "Science Bureau", 3, "arrived", rows_read=10, rows_accepted=9, rows_rejected=1
)
LATE = DepartmentFact(
    "sjgj", "市市场监督管理局", "Market Regulation", 1, "late", "05:00 前未见 .ok 文件", "no .ok file by 05:00"
)
HELD = DepartmentFact(
    "gaj",
    "市公安局",
    "Public Security",
    1,
    "arrived",
    rows_read=30,
    held=(BatchFact("GAJ-PENALTY-1", "penalty", 30, "超过 20%", "above 20 %"),),
)
MINOR = DepartmentFact("mmj", "市盐业局", "Salt", 3, "late")


def facts(*departments: DepartmentFact) -> NightFacts:
    return NightFacts(DAY, departments)


def test_the_digest_counts_and_puts_what_matters_most_first() -> None:
    message = digest(facts(MINOR, HELD, LATE, GOOD))
    assert message.subject_zh == "信用数据日报 2026-11-16：到达 2/4，迟到 2，暂扣 1"
    lines = [line for line in message.body_zh.splitlines() if line.startswith("·")]
    assert [line.split("：")[0] for line in lines] == ["· 市市场监督管理局", "· 市公安局", "· 市盐业局"]
    assert "no .ok file by 05:00" in message.body_en


def test_alarms_are_for_importance_one_held_or_late_only() -> None:
    found = alarms(facts(MINOR, HELD, LATE, GOOD))
    assert [message.key for message in found] == ["alarm/held/GAJ-PENALTY-1", "alarm/2026-11-16/sjgj/late"]
    assert found[0].subject == "【警报】市公安局：批次暂扣 / ALARM: Public Security: batch held"


def test_nothing_arrived_is_an_alarm_and_a_digest_of_its_own() -> None:
    night = facts(LATE, DepartmentFact("kjj", "市科学技术局", "Science Bureau", 3, "unknown"))
    assert [message.key for message in alarms(night)] == ["alarm/2026-11-16/nothing"]
    assert "没有任何部门的数据到达" in digest(night).subject_zh


def test_a_feed_that_fell_silent_is_told_and_alarmed_about_once_where_the_department_matters_most() -> None:
    quiet = (SilentFact("permit", DAY, "连续 3 个工作日没有新数据", "nothing new for 3 working days"),)
    major = DepartmentFact("gaj", "市公安局", "Public Security", 1, "arrived", rows_read=30, silent=quiet)
    minor = DepartmentFact("mmj", "市密码管理局", "Cryptography", 3, "arrived", rows_read=3, silent=quiet)
    found = alarms(facts(major, minor))
    assert [message.key for message in found] == ["alarm/silent/gaj/permit/2026-11-16"]
    assert "连续 3 个工作日没有新数据" in found[0].body_zh
    assert [message.key for message in alarms(NightFacts(DAY.replace(day=17), (major,)))] == [found[0].key]
    body = digest(facts(major, minor)).body_zh
    assert "· 市密码管理局：permit 连续 3 个工作日没有新数据，请联系该部门数据专员" in body


def test_before_the_cut_off_who_may_still_come_is_not_late_but_who_failed_is() -> None:
    silent = DepartmentFact("rsj", "市人力资源和社会保障局", "Human Resources", 1, "unknown")
    failed = DepartmentFact("swj", "市税务局", "Taxation", 1, "failed", "令牌被拒绝", "token refused")
    assert alarms(facts(silent), closed=False) == []
    assert [message.key for message in alarms(facts(silent, failed, GOOD), closed=False)] == [
        "alarm/2026-11-16/swj/late"
    ]
    assert {message.key for message in alarms(facts(silent, failed, GOOD))} == {
        "alarm/2026-11-16/rsj/late",
        "alarm/2026-11-16/swj/late",
    }


def test_a_quiet_good_night_needs_nobody_and_says_so() -> None:
    assert alarms(facts(GOOD)) == []
    assert "没有需要处理的事项" in digest(facts(GOOD)).body_zh


def test_a_digest_of_many_faults_has_ten_lines_and_counts_the_rest() -> None:
    night = facts(GOOD, *(DepartmentFact(f"d{n}", f"部门{n}", f"dept {n}", 2, "late") for n in range(14)))
    body = digest(night).body_zh
    assert body.count("· ") == 10
    assert "另有 4 项" in body


def test_the_facts_come_from_the_control_tables(warehouse: Any) -> None:
    city = settle(warehouse)
    city.batch("b1", DAY, state="held", held=30, reasons=[{"code": "x", "zh": "行数不符", "en": "wrong count"}])
    city.arrival(DAY, "sjgj", "arrived")
    city.arrival(DAY, "gaj", "late", "未到", "not there")
    sweep_issues(city.settings, city.registry, DAY)
    night = night_facts(city.settings, DAY)
    by_code = {item.code: item for item in night.departments}
    assert len(by_code) == 43
    assert by_code["sjgj"].held == (BatchFact("b1", "penalty", 30, "行数不符", "wrong count"),)
    assert (by_code["gaj"].state, by_code["gaj"].detail_zh) == ("late", "未到")
    assert by_code["kjj"].state == "unknown"
    assert night.missing_years == ("2027",)
    assert not night.silent


# --- real servers ------------------------------------------------------------------------------------------------------


class Mailbox:
    """A real SMTP server on loopback: enough of RFC 5321 for a client to deliver. mails: (recipients, message)."""

    def __init__(self, refuse: bool = False) -> None:
        self.mails: list[tuple[list[str], Any]] = []
        self.refuse = refuse
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        server = await asyncio.start_server(self._talk, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        await server.wait_closed()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def say(text: str) -> None:
            writer.write(f"{text}\r\n".encode())
            await writer.drain()

        recipients: list[str] = []
        await say("220 loopback ready")
        while line := (await reader.readline()).decode("utf-8", "replace").strip():
            word = line.upper()
            if word.startswith("EHLO"):
                await say("250-loopback\r\n250-8BITMIME\r\n250 SMTPUTF8")
            elif word.startswith("RCPT TO:"):
                recipients.append(line[8:].split("<", 1)[1].split(">", 1)[0])
                await say("550 no such box" if self.refuse else "250 ok")
            elif word == "DATA":
                await say("354 go on")
                data = b""
                while not data.endswith(b"\r\n.\r\n"):
                    data += await reader.readline()
                content = data.removesuffix(b".\r\n").replace(b"\r\n..", b"\r\n.")
                self.mails.append((recipients, email.message_from_bytes(content, policy=email.policy.default)))
                recipients = []
                await say("250 taken")
            elif word == "QUIT":
                await say("221 bye")
                break
            else:
                await say("250 ok")
        writer.close()
        await writer.wait_closed()


class Webhook:
    """A real HTTP server that remembers what was posted; fails `failures` times first."""

    def __init__(self, status: int = 200) -> None:
        posts: list[Any] = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                posts.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(status)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                return

        self.posts = posts
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with Mailbox() as box:
        yield box


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    with Webhook() as hook:
        yield hook


def mail_url(port: int) -> str:
    return f"smtp://127.0.0.1:{port}?sender=alerts@city.example&to=office@city.example,duty@city.example"


def test_messages_arrive_at_a_real_mail_server_and_webhook_once(
    warehouse: Any, mailbox: Mailbox, webhook: Webhook
) -> None:
    targets = Targets(MailServer.parse(mail_url(mailbox.port)), webhook.url)
    messages = [digest(facts(HELD, LATE)), *alarms(facts(HELD, LATE))]
    assert send(warehouse.settings, messages, targets) == 6
    assert send(warehouse.settings, messages, targets) == 0, "told once"
    recipients, first = mailbox.mails[0]
    assert recipients == ["office@city.example", "duty@city.example"]
    assert first["Subject"] == messages[0].subject
    assert "05:00 前未见 .ok 文件" in first.get_content()
    assert [post["key"] for post in webhook.posts] == [message.key for message in messages]


def test_one_target_that_fails_does_not_silence_the_other_and_is_tried_again(warehouse: Any, mailbox: Mailbox) -> None:
    messages = [digest(facts(GOOD))]
    with Webhook(status=500) as broken, pytest.raises(AlertError, match="webhook: HTTPStatusError"):
        send(warehouse.settings, messages, Targets(MailServer.parse(mail_url(mailbox.port)), broken.url))
    assert len(mailbox.mails) == 1
    with Webhook() as mended:
        assert send(warehouse.settings, messages, Targets(MailServer.parse(mail_url(mailbox.port)), mended.url)) == 1
        assert len(mended.posts) == 1
    assert len(mailbox.mails) == 1


def test_a_refused_recipient_is_a_fault_without_its_address(warehouse: Any) -> None:
    with Mailbox(refuse=True) as box, pytest.raises(AlertError) as fault:
        send(warehouse.settings, [digest(facts(GOOD))], Targets(MailServer.parse(mail_url(box.port))))
    assert "city.example" not in str(fault.value)


def test_without_configuration_nothing_is_sent_and_a_wrong_one_is_refused(
    warehouse: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not configured(warehouse.settings)
    monkeypatch.setenv("CREDITFLOW_CONN_ALERT_SMTP", "smtp://mail.example:25?sender=a@b.example")
    with pytest.raises(SettingsError, match="to="):
        configured(warehouse.settings)


def test_the_schedulers_notifier_sends_the_runs_own_night(
    warehouse: Any, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    """The notifier in a process of its own, as the scheduler has it, with a night in which only one department came."""
    import os
    import subprocess

    city = settle(warehouse)
    city.batch("b1", DAY, state="held", held=30, reasons=[{"code": "x", "zh": "行数不符", "en": "wrong count"}])
    city.arrival(DAY, "sjgj", "arrived")
    program = (
        "import sys, types; sys.path.insert(0, 'dags')\n"
        "import wiring; wiring.take_credential = lambda connection_id: None\n"
        "import notifiers; notifiers.take_credential = wiring.take_credential\n"
        f"run = types.SimpleNamespace(conf={{'as_of': '{DAY}'}})\n"
        "notifiers.CreditOffice('alarm')({'dag_run': run, 'dag': None})\n"
    )
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(tmp_path / "airflow"),
        "CREDITFLOW_HOME": str(warehouse.settings.home),
        "CREDITFLOW_WAREHOUSE_URL": warehouse.url,
        "CREDITFLOW_CONN_ALERT_SMTP": mail_url(mailbox.port),
        "PYTHONPATH": str(PROJECT),
    }
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    subjects = [message["Subject"] for _, message in mailbox.mails]
    assert any("批次暂扣" in subject for subject in subjects)
    assert all("警报" in subject for subject in subjects)
