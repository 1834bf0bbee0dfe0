"""A city's quality figures invented by hand: what the report reads, without the pipeline that would make it.

`fill(url, nights=..)` writes a registry of 43 departments and 2 external sources, nights of deliveries ending on
AS_OF with verdicts, issues and builds, and stand-ins for the publish views. Deterministic; every person is fictitious,
one company is called ``</script><b>`` and one department file is called ``=cmd()`` because departments do such things.
"""

from __future__ import annotations

import json
import random
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import psycopg2
from psycopg2.extras import execute_values

AS_OF = date(2026, 11, 20)
ZONE = ZoneInfo("Asia/Shanghai")
HOSTILE_NAME = '</script><script>alert("x")</script>汕头市顽皮贸易有限公司'
HOSTILE_FILE = '=cmd|"/c calc"!A1.csv'
FICTITIOUS_ID = "440500199001010015"  # region and date plausible, person invented
LATE, FAILED, HELD = "stj", "xfj", "sjgj"

NAMES = """fgj 市发展和改革局 Development and Reform Bureau|jyj 市教育局 Education Bureau|kjj 市科学技术局 Science and Technology Bureau
gxj 市工业和信息化局 Industry and Information Technology Bureau|mzzjj 市民族宗教事务局 Ethnic and Religious Affairs Bureau
gaj 市公安局 Public Security Bureau|mzj 市民政局 Civil Affairs Bureau|sfj 市司法局 Justice Bureau|czj 市财政局 Finance Bureau
rsj 市人力资源和社会保障局 Human Resources and Social Security Bureau|zrj 市自然资源局 Natural Resources Bureau
stj 市生态环境局 Ecology and Environment Bureau|zjj 市住房和城乡建设局 Housing and Urban-Rural Development Bureau
jtj 市交通运输局 Transport Bureau|swuj 市水务局 Water Affairs Bureau|nyj 市农业农村局 Agriculture and Rural Affairs Bureau
shwj 市商务局 Commerce Bureau|wlj 市文化广电旅游体育局 Culture, Radio, TV, Tourism and Sports Bureau|wjj 市卫生健康局 Health Bureau
yjj 市应急管理局 Emergency Management Bureau|sjj 市审计局 Audit Bureau
sjgj 市市场监督管理局(市知识产权局) Market Regulation Bureau (Intellectual Property Office)|tjj 市统计局 Statistics Bureau
ybj 市医疗保障局 Healthcare Security Bureau|jrj 市地方金融管理局 Local Financial Regulation Bureau
cgj 市城市管理和综合执法局 City Management and Law Enforcement Bureau|lyj 市林业局 Forestry Bureau
zsj 市政务服务和数据管理局 Government Services and Data Bureau|xcj 市新闻出版局(市版权局) Press and Publication Bureau (Copyright)
daj 市档案局 Archives Bureau|mmj 市密码管理局 Cryptography Administration|xfj 市消防救援支队 Fire and Rescue Detachment
swj 国家税务总局汕头市税务局 Tax Bureau of Shantou (STA)|hgj 汕头海关 Shantou Customs|hsj 汕头海事局 Shantou Maritime Safety Administration
qxj 市气象局 Meteorological Bureau|ycj 市烟草专卖局 Tobacco Monopoly Bureau|yzj 市邮政管理局 Postal Administration
rhj 中国人民银行汕头市分行 PBC Shantou Branch|jgj 国家金融监督管理总局汕头监管分局 NFRA Shantou Office
gjj 市住房公积金管理中心 Housing Provident Fund Centre|hyj 广东省海洋综合执法总队汕头支队 Marine Law Enforcement Detachment
hqj 汕头华侨经济文化合作试验区管理委员会 Overseas Chinese Economic and Cultural Cooperation Zone Authority
x_court 汕头市中级人民法院及区县法院 Courts (through the province)
x_credit_office 市信用办人工决定 Decisions entered by the credit office"""
BIG = ("sjgj", "gaj", "jtj", "swj", "zsj", "wjj", "rsj")
DAY_COLUMNS = (
    "as_of, department, arrival_state, batches, batches_held, rows_read, rows_accepted, rows_rejected, rows_held, rows_out_of_scope,"
    " rows_duplicate, rows_flagged, completeness, validity, timeliness, correction, feeds_due, feeds_reported, decisions_produced,"
    " decisions_received, decisions_compliant, decisions_timed, decisions_on_time, codes_checked, codes_wrong, issues_opened,"
    " issues_open, issues_overdue, issues_due, issues_corrected"
)
RULES = (
    ("PERMIT-R04-USCC", "reject", ["counterparty_uscc"]),
    ("PERMIT-R01-VALID_TO", "reject", ["valid_to"]),
    ("PERMIT-R08-DATES", "reject", ["valid_from", "valid_to"]),
    ("PERMIT-R19-NAME", "flag", ["counterparty_name"]),
    ("PERMIT-R13-PERSONAL", "reject", ["permit_content"]),
    ("PERMIT-R02-PLACEHOLDER", "reject", ["decision_document_no"]),
)


def departments() -> list[tuple[str, str, str]]:
    """(code, Chinese name, English name) of the 43 and two external sources."""
    entries = [entry for line in NAMES.splitlines() for entry in line.split("|")]
    return [tuple(entry.split(" ", 2)) for entry in entries]  # type: ignore[misc]


def fill(url: str, *, nights: int = 12, as_of: date = AS_OF, seed: int = 7) -> None:
    """Write the world into a migrated database."""
    conn = psycopg2.connect(url, options="-c timezone=Asia/Shanghai")
    try:
        with conn, conn.cursor() as cursor:
            _World(cursor, nights, as_of, random.Random(seed)).write()
    finally:
        conn.close()


def publish_stand_ins(url: str) -> None:
    """Views of the shape of the publish views over an empty warehouse."""
    conn = psycopg2.connect(url)
    try:
        with conn, conn.cursor() as cursor:
            cursor.execute(PUBLISH)
    finally:
        conn.close()


PUBLISH = """
create view publish.department_quality_daily as
select q.as_of, q.department, d.name_zh, d.name_en, d.tier, d.importance, d.external, q.arrival_state, q.batches, q.batches_held,
    q.rows_read, q.rows_accepted, q.rows_rejected, q.rows_held, q.rows_out_of_scope, q.rows_duplicate, q.rows_flagged,
    q.completeness, q.validity, q.timeliness, q.correction, q.feeds_due, q.feeds_reported, q.decisions_produced, q.decisions_received,
    q.decisions_compliant, q.decisions_timed, q.decisions_on_time, q.codes_checked, q.codes_wrong, q.issues_opened, q.issues_open,
    q.issues_overdue, q.issues_due, q.issues_corrected
from quality.department_day q join ops.department d using (department);
create view publish.data_issue as
select issue_id::text, department, feed, kind as record_kind, batch_id, row_no, record_key as record_id, rule_id, fields[1] as field,
    severity, state, opened_on, due_on, closed_on, message_zh, message_en
from quality.issue;
create table ops.warehouse_doubt (rule_id text, name_zh text, name_en text);
insert into ops.warehouse_doubt values ('subject_unmatched', '记录未能归集到主体', 'the record belongs to nobody yet');
create view publish.build as select build_no, as_of, state, reason, batches, started_at, finished_at, published_at from ops.build;
"""


class _World:
    def __init__(self, cursor: Any, nights: int, as_of: date, dice: random.Random) -> None:
        self.cursor, self.nights, self.as_of, self.dice = cursor, nights, as_of, dice
        self.serial = 0

    def insert(self, table: str, columns: str, rows: list[tuple[Any, ...]]) -> None:
        if rows:
            execute_values(self.cursor, f"insert into {table} ({columns}) values %s", rows, page_size=2000)

    def write(self) -> None:
        self.cursor.execute(PUBLISH)
        self.registry()
        for back in range(self.nights - 1, -1, -1):
            self.night(self.as_of - timedelta(days=back), self.nights - back)
        self.issues()
        self.months()
        self.returned()

    def registry(self) -> None:
        rows, feeds = [], []
        for number, (code, zh, en) in enumerate(departments(), 1):
            external = code.startswith("x_")
            tier = (
                "external"
                if external
                else "zone"
                if code == "hqj"
                else "vertical"
                if 32 <= number <= 42 and code != "gjj"
                else "municipal"
            )
            importance = 1 if code in BIG else 2 if number % 3 else 3
            channel = ("sftp", "frontend_db", "rest_api", "manual_upload")[number % 4]
            rows.append(
                (
                    code,
                    None if external else number,
                    zh,
                    en,
                    tier,
                    importance,
                    external,
                    channel,
                    ("daily", "weekly", "monthly")[number % 3] if code not in BIG else "hourly",
                    time(2, 30),
                    ["AF01"],
                    json.dumps({"office": "数据科", "phone": "0754-88000000"}),
                    "《汕头市公共信用信息管理办法》第九条",
                )
            )
            for kind in ("permit", "penalty", "inspection"):
                feeds.append(
                    (code, kind, kind, "delta", "2018", ("csv", "table", "json", "xlsx")[number % 4], 1200, "daily")
                )
        self.insert(
            "ops.department",
            "department, dept_no, name_zh, name_en, tier, importance, external, channel, cadence, expect_by,"
            " application_fields, contact, legal_ground",
            rows,
        )
        self.insert("ops.feed", "department, feed, kind, delivery, layout, format, rows_per_year, cadence", feeds)
        days = [date(2026, 1, 1) + timedelta(days=step) for step in range(365)]
        self.insert(
            "ops.calendar",
            "day, is_workday, is_makeup, source_notice",
            [(day, day.weekday() < 5, False, "test") for day in days],
        )

    def night(self, day: date, build: int) -> None:
        dice = self.dice
        start = datetime.combine(day + timedelta(days=1), time(4, 10), ZONE)
        published = start + timedelta(minutes=58)
        arrivals, batches, results, verdicts, daily, links = [], [], [], [], [], []
        last = day == self.as_of
        for number, (code, _, _) in enumerate(departments()):
            state = "arrived" if code in BIG or dice.random() < 0.72 else dice.choice(("nothing_new", "not_due"))
            detail = ("", "")
            if last and code == LATE:
                state, detail = (
                    "late",
                    ("接口在 02:30 至 05:00 之间没有应答。", "the service did not answer between 02:30 and 05:00"),
                )
            if last and code == FAILED:
                state, detail = "failed", ("访问令牌被拒绝(401)。", "the token was refused (401)")
            if last and code == HELD:
                state = "arrived"
            began = start + timedelta(seconds=18 * number)
            arrivals.append((day, code, state, *detail, began, began + timedelta(seconds=dice.randint(3, 40))))
            counts = dict.fromkeys(("read", "accepted", "rejected", "held", "out", "duplicate"), 0)
            held = 0
            if state == "arrived":
                for kind in dice.sample(("permit", "penalty", "inspection"), 3 if code in BIG else dice.randint(1, 3)):
                    read = dice.randint(400, 2600) if code in BIG else dice.randint(3, 90)
                    bad = sum(dice.random() < (0.03 if number % 5 else 0.11) for _ in range(min(read, 300)))
                    jump = last and code == "gaj" and kind == "permit"
                    if jump:
                        bad = read // 6
                    hold = last and code == HELD and kind == "penalty"
                    batch = self.batch(day, code, kind, began, read, bad, hold, published, batches)
                    for key, value in zip(counts, batch[1:], strict=True):
                        counts[key] += value
                    held += hold
                    self.verdicts(batch[0], read, bad, hold, results, verdicts, last)
                    if not hold:
                        links.append((build, batch[0], len(links) + 1))
            judged = counts["read"] - counts["out"] - counts["duplicate"]
            received = judged // 2
            daily.append(
                (
                    day,
                    code,
                    state,
                    1 if judged else 0,
                    held,
                    *counts.values(),
                    0,
                    round(1 - dice.random() * 0.04, 4) if judged else None,
                    round((judged - counts["rejected"] - counts["held"]) / judged, 4) if judged else None,
                    round(0.99 - dice.random() * (0.4 if number % 9 == 0 else 0.1), 4)
                    if judged and number % 11
                    else None,
                    round(0.97 - dice.random() * 0.35, 4) if number % 4 else None,
                    2,
                    1 if number % 13 == 0 else 2,
                    None,
                    received,
                    int(received * 0.985),
                    received,
                    int(received * 0.96),
                    judged,
                    counts["rejected"] // 3,
                    counts["rejected"],
                    3 + number % 7,
                    1 if number % 10 == 3 else 0,
                    8,
                    7,
                )
            )
        self.insert(
            "ops.build",
            "build_no, as_of, state, reason, code_hash, batches, started_at, finished_at, published_at",
            [
                (
                    build,
                    day,
                    "published",
                    "night",
                    "0" * 64,
                    len(links),
                    published - timedelta(minutes=4),
                    published,
                    published,
                )
            ],
        )
        self.insert("ops.arrival", "as_of, department, state, detail_zh, detail_en, started_at, finished_at", arrivals)
        self.insert(
            "ops.batch",
            "batch_id, department, feed, kind, channel, format, layout, delivery, file, archive_path, sha256, original_sha256,"
            " bytes, declared_rows, delivered_at, received_at, as_of, state, reasons, rows_read, rows_accepted, rows_rejected, rows_held,"
            " rows_out_of_scope, rows_duplicate, landed_at, gated_at, seconds",
            batches,
        )
        self.insert("ops.build_batch", "build_no, batch_id, ordinal", links)
        self.insert("quality.rule_result", "batch_id, rule_id, severity, rows_evaluated, rows_failed", results)
        self.insert("quality.row_verdict", "batch_id, row_no, verdict, rule_ids, fields, payload, suggestion", verdicts)
        self.insert("quality.department_day", DAY_COLUMNS, daily)
        if last:
            self.cursor.execute(
                "insert into quality.incident (batch_id, department, feed, as_of, rule_id, message_zh, message_en) values"
                " (null, 'wjj', 'permit', %s, 'BATCH-FORBIDDEN-COLUMN', '报送内容含禁止采集的列“病史”，已在归档前删除',"
                " 'the delivery held a forbidden column (medical history), cut before archiving')",
                (day,),
            )

    def batch(
        self,
        day: date,
        code: str,
        kind: str,
        began: datetime,
        read: int,
        bad: int,
        hold: bool,
        published: datetime,
        batches: list[tuple[Any, ...]],
    ) -> tuple[str, int, int, int, int, int, int]:
        self.serial += 1
        identifier = f"{code.upper()}-{kind.upper()}-{day:%Y%m%d}-001"
        duplicate, out = read // 50, read // 40 if code == "hgj" else 0
        bad = min(bad, read - duplicate - out)
        counts = (read, 0, 0, read, 0, 0) if hold else (read, read - bad - duplicate - out, bad, 0, out, duplicate)
        state = "held" if hold else "partly_accepted" if bad else "accepted"
        reasons = (
            [
                {
                    "code": "TOO_MANY_REJECTED",
                    "zh": "退回率 31.4%，超过 20%",
                    "en": "31.4 % of the rows rejected, more than 20 %",
                    "row": 214,
                    "field": "penalty_authority_uscc",
                }
            ]
            if hold
            else []
        )
        name = HOSTILE_FILE if self.serial % 40 == 1 else f"{code.upper()}_{kind.upper()}_{day:%Y%m%d}013000_001.csv"
        received = began + timedelta(seconds=self.dice.randint(2, 50))
        landed = received + timedelta(seconds=self.dice.randint(1, 30))
        batches.append(
            (
                identifier,
                code,
                kind,
                kind,
                "sftp",
                "csv",
                "2018",
                "delta",
                name,
                f"{code}/{kind}/{day:%Y}/{identifier}",
                f"{self.serial:064x}",
                f"{self.serial:064x}",
                read * 380,
                read,
                datetime.combine(day + timedelta(days=1), time(1, 30), ZONE),
                received,
                day,
                state,
                json.dumps(reasons, ensure_ascii=False),
                *counts,
                landed,
                landed + timedelta(minutes=self.dice.randint(2, 9)),
                round(self.dice.random() * 9, 2),
            )
        )
        return (identifier, *counts)

    def verdicts(
        self, batch: str, read: int, bad: int, hold: bool, results: list[Any], verdicts: list[Any], last: bool
    ) -> None:
        failed: dict[str, int] = {rule: 0 for rule, _, _ in RULES}
        for place in range(bad):
            rule, severity, fields = RULES[(place * place + self.serial) % len(RULES)]
            failed[rule] += 1
            if not last or place >= 30:
                continue
            payload = {
                "counterparty_name": HOSTILE_NAME if place == 0 else f"汕头市测试{place:03d}有限公司",
                "counterparty_uscc": "91440500MA4TEST00O",
                "decision_document_no": f"汕测许〔2026〕{place} 号",
                "valid_from": "2026/11/01",
                "valid_to": "",
                "permit_content": f"联系人张测试 {FICTITIOUS_ID} 电话 13800000000",
                "person_id_no": FICTITIOUS_ID,
                "person_id_no_hash": "ab" * 32,
                "permit_authority_name": "汕头市测试局",
                "decision_date": "2026/11/18",
            }
            suggestion = {"field": "counterparty_uscc", "value": "91440500MA4TEST000"} if "USCC" in rule else None
            verdicts.append(
                (
                    batch,
                    place * 7 + 2,
                    "held" if hold else "flagged" if severity == "flag" else "rejected",
                    [rule],
                    fields,
                    json.dumps(payload, ensure_ascii=False),
                    json.dumps(suggestion) if suggestion else None,
                )
            )
        results.extend((batch, rule, severity, read, failed[rule]) for rule, severity, _ in RULES)

    def issues(self) -> None:
        rows = []
        for number in range(160):
            code = departments()[(number * 7) % 43][0]
            opened = self.as_of - timedelta(days=number % min(self.nights, 9))
            closed = opened + timedelta(days=2) if number % 4 == 0 and opened < self.as_of - timedelta(days=2) else None
            rule, severity, fields = RULES[number % len(RULES)]
            due = None if number % 37 == 5 else opened + timedelta(days=3)
            batch = f"{code.upper()}-PERMIT-{opened:%Y%m%d}-001"
            rows.append(
                (
                    f"00000000-0000-0000-0000-{number:012d}",
                    "row",
                    code,
                    "permit",
                    "permit",
                    rule,
                    f"{batch}#{number}",
                    severity,
                    fields,
                    batch,
                    number + 2,
                    "closed" if closed else "open",
                    1,
                    opened,
                    opened,
                    due,
                    closed,
                )
            )
        self.insert(
            "quality.issue",
            "issue_id, scope, department, feed, kind, rule_id, record, severity, fields, batch_id, row_no, state,"
            " episode, first_opened_on, opened_on, due_on, closed_on",
            rows,
        )

    def months(self) -> None:
        rows = []
        for back in range(3):
            month = (self.as_of.replace(day=1) - timedelta(days=28 * back)).replace(day=1)
            for number, (code, _, _) in enumerate(departments()):
                none = number % 17 == 3
                rates = [
                    None if none else round(1 - self.dice.random() * spread, 4) for spread in (0.1, 0.2, 0.3, 0.01, 0.5)
                ]
                rates[3] = None if none else round(1 - rates[3], 4)  # type: ignore[operator]
                score = None if none else round(100 * (rates[0] + rates[1] + rates[2] + 1 - rates[3] + rates[4]) / 5, 2)  # type: ignore[operator]
                rows.append(
                    (
                        month,
                        code,
                        1 if back else 0,
                        self.as_of,
                        True,
                        0 if none else 40 + number,
                        *rates,
                        "feeds",
                        0,
                        0,
                        score,
                    )
                )
        self.insert(
            "quality.department_month",
            "month, department, version, as_of, current, decisions_received, reporting_rate,"
            " compliance_rate, timeliness_rate, code_error_rate, correction_rate, reporting_basis, zero_feeds, zero_undeclared, score",
            rows,
        )

    def returned(self) -> None:
        self.insert(
            "quality.return_file",
            "batch_id, department, feed, as_of, rows_returned, faults, workbook, workbook_sha256, twin, twin_sha256",
            [
                (
                    f"GAJ-PERMIT-{self.as_of:%Y%m%d}-001",
                    "gaj",
                    "permit",
                    self.as_of,
                    30,
                    34,
                    "gaj/permit.xlsx",
                    "0" * 64,
                    "gaj/permit.json",
                    "0" * 64,
                )
            ],
        )
