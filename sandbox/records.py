"""Events become rows of text: one function per record kind, whole columns at a time.

`render(planner, feed, events, today)` gives clean rows only, in canonical columns of the layout, with the traits of those
rows that look wrong and are right (`near`). Nothing here depends on which night asks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from sandbox import days, words
from sandbox.description import Department, Feed, departments, layouts
from sandbox.plan import CHANGE, ELSEWHERE, HEADS, Decided, Events, Planner

Ints = npt.NDArray[np.int64]
Texts = npt.NDArray[np.object_]
Mask = npt.NDArray[np.bool_]

PLACEHOLDER = "00000000000000000X"
LONG_TERM = "2099/12/31"
ORGANISATION, PERSON, HOUSEHOLD = "法人及非法人组织", "自然人", "个体工商户"
_BRACKETS = (("〔", "〕"), ("【", "】"), ("[", "]"), ("(", ")"), ("（", "）"), ("﹝", "﹞"))


@dataclass
class Rows:
    """Rows of one feed: columns by canonical name, who they are about, what is special about them."""

    kind: str
    columns: dict[str, Texts]
    subject: Ints
    op: Texts
    updated: Texts
    near: dict[str, Mask] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.subject)

    def take(self, index: Ints) -> Rows:
        """Copies of some rows, without traits."""
        return Rows(
            self.kind,
            {k: v[index] for k, v in self.columns.items()},
            self.subject[index],
            self.op[index],
            self.updated[index],
        )


def joined(parts: list[Rows]) -> Rows:
    """Several lots of rows as one; a trait missing in a lot is false there."""
    traits = sorted({t for p in parts for t in p.near})
    return Rows(
        parts[0].kind,
        {name: np.concatenate([p.columns[name] for p in parts]) for name in parts[0].columns},
        np.concatenate([p.subject for p in parts]),
        np.concatenate([p.op for p in parts]),
        np.concatenate([p.updated for p in parts]),
        {t: np.concatenate([p.near.get(t, np.zeros(len(p), dtype=bool)) for p in parts]) for t in traits},
    )


def fill(n: int, text: str = "") -> Texts:
    """A column with one value."""
    column = np.empty(n, dtype=object)
    column[:] = text
    return column


def pool(values: list[str] | tuple[str, ...]) -> Texts:
    """A tuple of texts as something to index."""
    made = np.empty(len(values), dtype=object)
    made[:] = values
    return made


def mask(answers: Iterable[bool]) -> Mask:
    """Yes or no per row."""
    return np.fromiter(answers, dtype=np.bool_)


def where(chosen: Mask, yes: Texts | str, no: Texts | str) -> Texts:
    """`numpy.where` that stays with Python strings."""
    n = len(chosen)
    a = yes if isinstance(yes, np.ndarray) else fill(n, yes)
    b = no if isinstance(no, np.ndarray) else fill(n, no)
    return np.where(chosen, a, b)


def document_no(dept: Department, kind: str, authority: Ints, year: Ints, serial: Ints, salt: Ints) -> Texts:
    """Document numbers as the department prints them; six brackets of a hundred are not the usual ones."""
    word = words.DOCUMENT_WORD.get(kind, "文")
    if dept.code == "x_court":
        court = [a.region[2:] if i else "05" for i, a in enumerate(dept.authorities)]
        made = [
            f"({y}){'粤' + court[a]}{word}{s}号"
            for a, y, s in zip(authority.tolist(), year.tolist(), serial.tolist(), strict=True)
        ]
        return pool(made)
    starts = [place + dept.short + word for place in ("汕", "汕龙", "汕金", "汕濠", "汕潮", "汕南", "汕澄", "汕澳")]
    style = np.where(salt % 100 < 8, salt // 100 % 6, 0)
    brackets = _BRACKETS
    made = [
        f"{starts[a]}{brackets[b][0]}{y}{brackets[b][1]}{s}号"
        for a, y, s, b in zip(authority.tolist(), year.tolist(), serial.tolist(), style.tolist(), strict=True)
    ]
    return pool(made)


def target_document_no(planner: Planner, targets: Decided, plain: bool = True) -> Texts:
    """Document numbers of referenced decisions, with the usual bracket."""
    made = fill(len(targets.feed))
    for number in np.unique(targets.feed).tolist():
        m = np.flatnonzero(targets.feed == number)
        feed = planner.feeds[number]
        salt = np.full(len(m), 99) if plain else targets.serial[m]
        kind = "enforcement" if feed.id == "x_court.list_entry" else feed.kind
        made[m] = document_no(
            departments()[feed.dept], kind, targets.authority[m], targets.year[m], targets.serial[m], salt
        )
    return made


class Parties:
    """Who the rows are about, as columns."""

    def __init__(self, planner: Planner, events: Events) -> None:
        w = planner.world
        s = events.subject
        n = len(s)
        self.entity = (s >= 0) & (s < ELSEWHERE)
        self.person = s < 0
        e = np.where(self.entity, s, 0)
        p = np.where(self.person, -1 - s, 0)
        self.sort = np.where(self.person, "p", np.where(self.entity, w.sort[e], "e"))
        self.name = w.names_on(e, events.day)
        self.name[self.person] = w.person_name(p[self.person])
        self.has_code = ~self.person & (w.has_code[e] | ~self.entity)
        self.uscc = w.uscc[e].copy()
        self.region = pool([r[0] for r in words.REGIONS])[w.region[e]]
        other = np.flatnonzero((s >= ELSEWHERE) & (s < HEADS))
        if len(other):
            self.name[other], self.uscc[other], self.region[other] = (
                w.other_name[s[other] - ELSEWHERE],
                w.other_uscc[s[other] - ELSEWHERE],
                w.other_region[s[other] - ELSEWHERE],
            )
        head = np.flatnonzero(s >= HEADS)
        if len(head):
            self.name[head], self.uscc[head] = w.head_name[s[head] - HEADS], w.head_uscc[s[head] - HEADS]
        self.uscc[~self.has_code] = ""
        self.reg_no = where(self.entity, w.reg_no[e], "")
        self.leader = w.heads_on(e, events.day)
        self.leader_name = where(self.person, "", w.person_name(self.leader))
        self.person_index = np.where(self.person, p, self.leader)
        self.resident_no = fill(n)
        if self.person.any():
            self.resident_no[self.person] = w.resident_no(p[self.person])
        self.type = where(self.person, PERSON, where(self.sort == "h", HOUSEHOLD, ORGANISATION))
        self.index = e

    def org_code(self, shown: Mask) -> Texts:
        """Positions 9-17 of the credit code where shown."""
        return pool([u[8:17] if f else "" for u, f in zip(self.uscc.tolist(), shown.tolist(), strict=True)])


class _Made:
    """What every renderer gets: the parties, a generator, and short cuts."""

    def __init__(self, planner: Planner, feed: Feed, events: Events, today: int) -> None:
        self.planner, self.feed, self.events, self.today = planner, feed, events, today
        self.dept = departments()[feed.dept]
        self.n = len(events)
        self.party = Parties(planner, events)
        self.columns: dict[str, Texts] = {c.name: fill(self.n) for c in layouts()[feed.kind]}
        self.near: dict[str, Mask] = {}

    def u(self, what: int) -> npt.NDArray[np.float64]:
        """A number in [0, 1) per row, from the event's salt: the same whichever slice is rendered."""
        mixed = (self.events.salt.astype(np.uint64) + np.uint64(what * 0x9E3779B9)) * np.uint64(0xD1B54A32D192ED03)
        mixed ^= mixed >> np.uint64(29)
        mixed *= np.uint64(0xBF58476D1CE4E5B9)
        return np.asarray((mixed >> np.uint64(11)).astype(np.float64) / float(1 << 53))

    def choose(
        self, what: int, values: list[str] | tuple[str, ...] | Texts, weights: tuple[float, ...] | None = None
    ) -> Texts:
        """One of the values per row."""
        table = values if isinstance(values, np.ndarray) else pool(list(values))
        if weights is None:
            return np.asarray(table[(self.u(what) * len(table)).astype(np.int64)])
        edges = np.cumsum(weights) / sum(weights)
        return np.asarray(table[np.searchsorted(edges, self.u(what), "right").clip(0, len(table) - 1)])

    def index(self, what: int, size: int) -> Ints:
        """A whole number below `size` per row."""
        return (self.u(what) * size).astype(np.int64)

    def document(self, kind: str | None = None) -> Texts:
        e = self.events
        return document_no(self.dept, kind or self.feed.kind, e.authority, e.year, e.serial, e.salt)

    def dates(self, when: Ints, what: int = 90) -> Texts:
        """Dates in the department's usual style; two of a hundred in another style the standard allows."""
        usual = days.text(when, self.dept.dates)
        odd = self.u(what) < 0.02
        if odd.any():
            usual = usual.copy()
            usual[odd] = days.text(when[odd], "dash" if self.dept.dates != "dash" else "compact")
            self.near["date_style"] = self.near.get("date_style", np.zeros(self.n, dtype=bool)) | odd
        return usual

    def authority(self) -> tuple[Texts, Texts, Texts]:
        """Name, code and region of the deciding body."""
        a = self.events.authority
        bodies = self.dept.authorities
        return pool([b.name for b in bodies])[a], pool([b.uscc for b in bodies])[a], pool([b.region for b in bodies])[a]

    def common(self) -> None:
        """Identity and provenance columns of every kind but permit and penalty."""
        c, p = self.columns, self.party
        c["subject_name"] = p.name
        if "subject_type" in c:
            c["subject_type"] = p.type
        if "subject_uscc" in c:
            c["subject_uscc"] = p.uscc
        if "subject_org_code" in c:
            c["subject_org_code"] = p.org_code((self.u(91) < 0.12) & p.has_code)
            c["subject_reg_no"] = where(~p.has_code | (self.u(92) < 0.2), p.reg_no, "")
        if "person_id_no" in c:
            c["person_id_no"] = p.resident_no
        if "person_id_type" in c:
            c["person_id_type"] = where(p.person, "身份证", "")
        name, code, region = self.authority()
        if "authority_name" in c:
            c["authority_name"], c["authority_uscc"] = name, code
        if "source_unit_name" in c:
            own = self.dept.authorities[0]
            c["source_unit_name"], c["source_unit_uscc"] = fill(self.n, own.name), fill(self.n, own.uscc)
        if "region_code" in c:
            c["region_code"] = where(p.entity | p.person, region, p.region)

    def rows(self) -> Rows:
        e = self.events
        return Rows(
            self.feed.kind, self.columns, e.subject.copy(), fill(self.n, "I"), days.stamp(e.ready, e.second), self.near
        )


def _number(yuan: Ints, divisor: int) -> Texts:
    """Whole yuan as yuan or as 万元 with as many decimals as needed."""
    if divisor == 1:
        return pool([str(y) for y in yuan.tolist()])
    return pool([f"{y / divisor:.6f}".rstrip("0").rstrip(".") for y in yuan.tolist()])


def _two_sided(m: _Made, prefix: str) -> None:
    """Counterparty columns of permits and penalties."""
    c, p = m.columns, m.party
    n = m.n
    c["counterparty_name"] = p.name
    c["counterparty_type"] = p.type
    no_code = ~p.has_code & ~p.person
    c["counterparty_uscc"] = where(no_code, PLACEHOLDER, p.uscc)
    c["counterparty_reg_no"] = where(no_code | ((m.u(60) < 0.15) & ~p.person), p.reg_no, "")
    c["counterparty_org_code"] = p.org_code((m.u(61) < 0.1) & p.has_code)
    with_tax = (m.u(62) < 0.08) & p.has_code
    c["counterparty_tax_no"] = pool(
        [
            (u if k % 2 else u[2:17]) if f else ""
            for u, f, k in zip(p.uscc.tolist(), with_tax.tolist(), m.events.salt.tolist(), strict=True)
        ]
    )
    c["counterparty_institution_no"] = where(
        (p.sort == "i") & (m.u(63) < 0.5), pool([f"事证第{i:012d}号" for i in p.index.tolist()]), ""
    )
    c["counterparty_social_org_no"] = where(
        (p.sort == "s") & (m.u(64) < 0.5), pool([f"汕社证字第{i:06d}号" for i in p.index.tolist()]), ""
    )
    c["legal_representative_name"] = p.leader_name
    given = np.flatnonzero((m.u(65) < 0.08) & ~p.person)
    if len(given):
        c["legal_representative_id_type"][given] = "身份证"
        c["legal_representative_id_no"][given] = m.planner.world.resident_no(p.leader[given])
    c["person_id_type"] = where(p.person, "身份证", "")
    c["person_id_no"] = p.resident_no
    name, code, region = m.authority()
    c[f"{prefix}_authority_name"], c[f"{prefix}_authority_uscc"] = name, code
    own = m.dept.authorities[0]
    c["source_unit_name"], c["source_unit_uscc"] = fill(n, own.name), fill(n, own.uscc)
    c["region_code"] = where(p.entity | p.person, region, p.region)
    m.near["placeholder_right"] = no_code
    m.near["n_code"] = p.sort == "n"
    m.near["short_name"] = mask(len(x) == 2 for x in p.name.tolist())
    m.near["bracket_variant"] = m.events.salt % 100 < 8
    if "former" in m.dept.texts:
        renamed = m.u(66) < 0.1
        c[f"{prefix}_authority_name"] = where(renamed, m.dept.texts["former"], name)
        m.near["renamed_body"] = renamed


_PERMIT_CATEGORIES = ("普通", "特许", "认可", "核准", "登记")


def _permit(m: _Made) -> None:
    c, e = m.columns, m.events
    _two_sided(m, "permit")
    items = m.dept.texts["items"]
    item = m.index(1, len(items))
    name = pool(items)[item]
    c["decision_document_title"] = pool([f"关于准予{i}的决定书" for i in items])[item]
    c["decision_document_no"] = m.document()
    category = pool([_PERMIT_CATEGORIES[(len(i) * 7 + m.dept.no) % 5] for i in items])[item]
    named = m.u(2) < 0.01
    c["permit_category"] = where(named, "其他-变更备案", category)
    m.near["category_other_named"] = named
    certified = m.u(3) < 0.7
    c["certificate_name"] = where(certified, name + "证", "")
    numbers = pool(
        [f"{m.dept.short}证字{y}第{s:06d}号" for y, s in zip(e.year.tolist(), e.serial.tolist(), strict=True)]
    )
    c["certificate_no"] = where(certified, numbers, "")
    c["permit_content"] = pool([f"准予{i}，具体内容以决定书和证书载明为准" for i in items])[item]
    if "parcels" in m.dept.texts:
        many = np.flatnonzero(m.u(4) < m.dept.texts["parcels"])
        for i in many.tolist():
            size = 20 + int(e.salt[i] % 120)
            c["permit_content"][i] = "准予采伐，小班清单：" + "；".join(
                f"{k + 1}林班{int(e.salt[i]) % 40 + k}小班{(k * 7 + int(e.salt[i])) % 90 / 10}公顷" for k in range(size)
            )
        m.near["long_list"] = m.u(4) < m.dept.texts["parcels"]
    c["decision_date"] = m.dates(e.day)
    c["valid_from"] = m.dates(e.day, 89)
    term = m.choose(5, np.array([365, 1095, 1826, 1826, 3652], dtype=object)).astype(np.int64)
    open_end = m.u(6) < 0.16
    c["valid_to"] = days.text(np.where(open_end, days.LONG_TERM, e.day + term), m.dept.dates)
    m.near["long_term"] = open_end
    c["record_status"] = fill(m.n, "1")
    in_text = m.u(7) < 0.006
    if in_text.any():
        c["remark"] = where(
            in_text & m.party.has_code, "持证单位统一社会信用代码" + m.party.uscc + "，资料齐全", c["remark"]
        )
        m.near["code_in_text"] = in_text & m.party.has_code
    date_in_text = (m.u(8) < 0.008) & (c["remark"] == "")
    c["remark"] = where(date_in_text, "于" + days.text(e.day, "slash") + "现场核查通过", c["remark"])
    m.near["slash_in_text"] = date_in_text


_PENALTY_MIX = {
    "罚款": 66,
    "警告": 14,
    "警告、罚款": 5,
    "罚款、没收违法所得": 5,
    "没收违法所得": 2,
    "没收非法财物": 1,
    "暂扣许可证件": 2,
    "吊销许可证件": 1,
    "责令停产停业": 2,
    "通报批评": 1,
    "罚款;没收非法财物": 1,
}


def _penalty(m: _Made) -> None:
    c, e, p = m.columns, m.events, m.party
    _two_sided(m, "penalty")
    acts = m.dept.texts["acts"]
    act = m.index(1, len(acts))
    what = pool([a[0] for a in acts])[act]
    c["decision_document_no"] = m.document()
    c["violation_type"] = what
    c["violation_facts"] = days.text(e.day - 20, "zh") + "检查发现，当事人" + what + "，事实清楚，证据确凿"
    c["penalty_basis"] = pool([a[1] for a in acts])[act]
    slash = m.u(2) < 0.02
    c["penalty_basis"] = where(slash, c["penalty_basis"] + "/第二款", c["penalty_basis"])
    m.near["slash_in_basis"] = slash
    mix = m.dept.texts.get("categories", _PENALTY_MIX)
    weights = tuple(float(x) for x in mix.values())
    category = m.choose(3, list(mix), weights)
    category = where(~p.person & (category == "行政拘留"), "罚款", category)
    c["penalty_category"] = category
    several = mask("、" in x or ";" in x for x in category.tolist())
    m.near["several_kinds"] = several
    median = np.where(p.person, 500, np.where(p.sort == "h", 2000, 8000))
    yuan = np.maximum((median * np.exp(1.2 * _normal(m, 4)) / 50).astype(np.int64) * 50, 50)
    fined = mask("罚款" in x for x in category.tolist())
    taken = mask("没收" in x for x in category.tolist())
    c["fine_amount_wan"] = where(fined, _number(yuan, 10_000), "")
    confiscated = np.maximum((median * np.exp(_normal(m, 5))).astype(np.int64), 10)
    c["confiscated_amount_wan"] = where(taken, _number(confiscated, 10_000), "")
    licence = mask("许可证件" in x for x in category.tolist())
    c["affected_certificate"] = where(licence, pool([f"{m.dept.short}证字第{s:06d}号" for s in e.serial.tolist()]), "")
    text = "给予" + category + "的行政处罚"
    c["penalty_content"] = where(fined, text + "，罚款人民币" + _number(yuan, 1) + "元", text)
    c["decision_date"] = m.dates(e.day)
    open_end = m.u(6) < 0.12
    c["penalty_valid_to"] = days.text(
        np.where(open_end, days.LONG_TERM, e.day + 365 + m.index(7, 3) * 365), m.dept.dates
    )
    m.near["long_term"] = open_end
    big = (
        (yuan >= 500_000)
        | (p.person & (yuan >= 50_000))
        | licence
        | (category == "行政拘留")
        | (category == "责令停产停业")
    )
    small = (
        ~big & np.where(p.person, yuan <= 200, yuan <= 3000) & ~taken | (category == "警告") | (category == "通报批评")
    )
    level = where(big, "严重", where(small, "轻微", "一般"))
    c["severity"] = where(m.u(8) < m.dept.texts.get("severity", 0.6), level, where(m.u(9) < 0.2, "未定", ""))
    simple = small & (m.u(10) < 0.5)
    c["procedure_type"] = where(simple, "简易程序", where(m.u(11) < 0.7, "普通程序", ""))
    c["repair_notice_served_on"] = where((e.day > 20544) & (m.u(12) < 0.8), days.text(e.day, m.dept.dates), "")
    longest = np.where(big, 1096, np.where(small, 90, 365))
    c["publicity_end_date"] = where(m.u(13) < 0.1, days.text(e.day + longest, m.dept.dates), "")
    in_text = m.u(14) < 0.01
    c["remark"] = where(in_text & p.has_code, "当事人统一社会信用代码" + p.uscc + "，已送达", "")
    m.near["code_in_text"] = in_text & p.has_code


def _normal(m: _Made, what: int) -> npt.NDArray[np.float64]:
    """Standard normal numbers per row."""
    a, b = np.maximum(m.u(what), 1e-12), m.u(what + 500)
    return np.sqrt(-2.0 * np.log(a)) * np.cos(2.0 * np.pi * b)


def _registration(m: _Made) -> None:
    c, e, p, w = m.columns, m.events, m.party, m.planner.world
    m.common()
    i = p.index
    head = e.subject >= HEADS
    c["subject_reg_no"] = where(head, "", p.reg_no)
    c["entity_type"] = where(head, "股份有限公司(上市)", pool([words.ENTITY_TYPES[s] for s in p.sort.tolist()]))
    gone = (w.deregistered[i] <= e.ready) & ~head
    alive = pool(["存续", "在业", "开业"])[(i * 7 % 10).clip(0, 2)]
    c["entity_status"] = where(gone, w.status_end[i], alive)
    since = np.where(head, 9000, w.registered[i])
    c["registered_on"] = m.dates(since)
    c["deregistered_on"] = where(gone, days.text(w.deregistered[i], m.dept.dates), "")
    c["legal_representative_name"] = w.person_name(w.heads_on(i, e.ready))
    c["subject_name"] = where(head, p.name, w.names_on(i, e.ready))
    shown = np.flatnonzero(m.u(1) < 0.5)
    if len(shown):
        c["legal_representative_id_no"][shown] = w.resident_no(w.heads_on(i, e.ready)[shown])
    changed = (e.ready >= w.person_changed[i]) & ~head
    c["legal_representative_since"] = where(
        changed, days.text(w.person_changed[i], m.dept.dates), days.text(since, m.dept.dates)
    )
    c["registered_capital"] = where(head, "100000万人民币", w.capital[i])
    trade = pool([t[0] for t in words.TRADES])[w.trade[i]]
    c["business_scope"] = where(
        head,
        "总部经营",
        "许可项目："
        + trade
        + "；一般项目："
        + trade
        + "销售及技术服务。(依法须经批准的项目,经相关部门批准后方可开展经营活动)",
    )
    fresh = pool([f"；{words.TRADES[k % len(words.TRADES)][0]}零售(备案{k % 9973})" for k in e.salt.tolist()])
    c["business_scope"] = where(e.target == CHANGE, c["business_scope"] + fresh, c["business_scope"])
    c["industry_code"] = pool([t[1] for t in words.TRADES])[w.trade[i]]
    c["province"] = fill(m.n, "广东省")
    c["city"] = where(head, "深圳市", "汕头市")
    c["region_code"] = where(head, "", p.region)
    c["registered_address"] = where(head, "深圳市示例大道1号", w.address[i])
    branch = (p.sort == "b") & ~head
    c["head_office_uscc"] = where(branch, w.head_uscc[np.maximum(w.head[i], 0)], "")
    limited = m.u(2) < 0.2
    c["valid_until"] = where(
        limited,
        days.text(np.minimum(since + 20 * 365, days.LONG_TERM), m.dept.dates),
        days.text(np.full(m.n, days.LONG_TERM), m.dept.dates),
    )
    m.near["long_term"] = ~limited
    offices = pool([f"汕头市{name}市场监督管理局" for _, name in words.REGIONS])
    c["registration_authority"] = where(
        head, "深圳市市场监督管理局", offices[w.region[i]] if m.feed.dept in ("sjgj", "x_gsxt") else m.dept.name
    )
    m.near["code_missing_reg_no"] = ~p.has_code


def _inspection(m: _Made) -> None:
    c, e = m.columns, m.events
    m.common()
    c["document_no"] = m.document()
    c["inspection_type"] = m.choose(1, ("日常检查", "双随机抽查", "专项检查", "投诉举报检查"), (50, 30, 15, 5))
    c["inspection_item"] = m.choose(2, m.dept.texts["checks"])
    c["decision_date"] = m.dates(e.day)
    result = m.choose(3, ("未发现问题", "合格", "不合格", "责令改正", "下落不明"), (55, 30, 5, 9, 1))
    c["inspection_result"] = result
    bad = np.isin(result.astype(str), ["不合格", "责令改正"])
    c["problem_found"] = where(
        bad, m.choose(4, ("台账记录不完整", "未按规定公示证照", "现场管理不规范", "安全标识缺失")), ""
    )
    if m.feed.dept == "hyj":
        boats = m.u(5) < 0.2
        c["remark"] = where(boats, pool([f"涉及渔船粤汕渔{s % 100000:05d}" for s in e.salt.tolist()]), "")


def _qualification(m: _Made) -> None:
    c, e, w = m.columns, m.events, m.planner.world
    m.common()
    c["document_no"] = pool(
        [f"{m.dept.short}资{y}44{s:07d}" for y, s in zip(e.year.tolist(), e.serial.tolist(), strict=True)]
    )
    c["qualification_name"] = m.choose(1, m.dept.texts["titles"])
    c["qualification_level"] = m.choose(2, ("初级", "中级", "高级", ""), (30, 30, 10, 30))
    employed = m.u(3) < 0.5
    firms = w.old_members["e"]
    firm = firms[m.index(4, len(firms))]
    c["employer_name"] = where(employed, w.names_on(firm, e.day), "")
    c["employer_uscc"] = where(employed, w.uscc[firm], "")
    c["decision_date"] = m.dates(e.day)
    open_end = m.u(5) < 0.3
    c["valid_to"] = days.text(np.where(open_end, days.LONG_TERM, e.day + 1096), m.dept.dates)
    m.near["long_term"] = open_end
    c["record_status"] = fill(m.n, "1")
    m.near["short_name"] = mask(len(x) == 2 for x in m.party.name.tolist())


_HONOURS = (
    ("守合同重信用企业", "contract_honouring"),
    ("诚信示范单位", "integrity_honour"),
    ("政府质量奖", "quality_award"),
    ("科技进步奖", "science_award"),
    ("先进单位", "other"),
)


def _honour(m: _Made) -> None:
    c, e = m.columns, m.events
    m.common()
    c["document_no"] = m.document()
    which = (
        m.index(1, len(_HONOURS))
        if m.feed.dept in ("sjgj", "x_xcb", "x_union")
        else np.full(m.n, 3 if m.feed.dept == "kjj" else 4)
    )
    c["honour_name"] = pool([h[0] for h in _HONOURS])[which]
    c["honour_code"] = pool([h[1] for h in _HONOURS])[which]
    c["honour_level"] = m.choose(2, ("国家级", "省级", "市级", "区县级", "行业级"), (2, 13, 50, 30, 5))
    c["decision_date"] = m.dates(e.day)
    c["valid_to"] = where(m.u(3) < 0.6, days.text(e.day + 365 * 2, m.dept.dates), "")
    c["record_status"] = fill(m.n, "1")


def _award(m: _Made) -> None:
    c, e = m.columns, m.events
    m.common()
    c["document_no"] = pool([f"ST-ZB-{y}-{s:06d}" for y, s in zip(e.year.tolist(), e.serial.tolist(), strict=True)])
    c["award_name"] = (
        m.choose(1, ("市政道路养护工程", "办公设备采购项目", "物业服务采购项目", "信息化建设项目", "污水管网建设工程"))
        + "(第"
        + m.choose(2, ("一", "二", "三", "四"))
        + "标段)"
    )
    c["award_amount_wan"] = _number((np.exp(13 + 1.5 * _normal(m, 3))).astype(np.int64), 10_000)
    c["decision_date"] = m.dates(e.day)


def _rating(m: _Made) -> None:
    c, e = m.columns, m.events
    m.common()
    scheme = m.dept.texts["ratings"]
    grades, weights = words.GRADES[scheme]
    c["document_no"] = pool(
        [f"PJ{scheme.upper()}{y - 1}{s:08d}" for y, s in zip(e.year.tolist(), e.serial.tolist(), strict=True)]
    )
    c["rating_scheme"] = fill(m.n, scheme)
    c["rating_grade"] = m.choose(1, grades, weights)
    c["rating_year"] = pool([str(y - 1) for y in e.year.tolist()])
    c["decision_date"] = m.dates(e.day)
    c["valid_to"] = where(m.u(2) < 0.5, days.text(e.day + 364, m.dept.dates), "")
    c["region_code"] = where(m.party.entity, m.party.region, c["region_code"])


def _commitment(m: _Made) -> None:
    c, e = m.columns, m.events
    m.common()
    c["document_no"] = m.document()
    c["commitment_type"] = m.choose(1, ("告知承诺", "主动公示型", "信用修复承诺", "行业自律型"), (55, 25, 5, 15))
    c["commitment_item"] = m.choose(2, m.dept.texts.get("items") or ["按时足额缴存住房公积金"])
    c["decision_date"] = m.dates(e.day)
    state = m.choose(3, ("履行中", "已履行", "违诺"), (60, 38, 2))
    c["fulfilment_state"] = state
    c["breach_found_on"] = where(
        (state == "违诺"), days.text(np.minimum(e.day + m.index(4, 3), e.ready), m.dept.dates), ""
    )


def _contract(m: _Made) -> None:
    c, e = m.columns, m.events
    m.common()
    c["document_no"] = pool(
        [
            f"HT{m.dept.code.upper().replace('_', '')}{y}{s:06d}"
            for y, s in zip(e.year.tolist(), e.serial.tolist(), strict=True)
        ]
    )
    c["contract_name"] = m.choose(
        1,
        (
            "政府采购合同",
            "国有建设用地使用权出让合同",
            "科技计划项目合同",
            "工程施工合同",
            "医疗服务协议",
            "项目投资协议",
        ),
    ) + m.choose(2, ("", "(补充)", "(续签)"), (80, 10, 10))
    c["contract_amount_wan"] = _number(np.exp(12.5 + 1.4 * _normal(m, 3)).astype(np.int64), 10_000)
    c["signed_on"] = days.text(e.day - 30 - m.index(4, 300), m.dept.dates)
    state = m.choose(5, ("正常履约", "履约完成", "违约"), (60, 37, 3))
    c["performance_state"] = state
    c["breach_document_no"] = where(state == "违约", m.document(), "")
    c["decision_date"] = m.dates(e.day)


def _compliance(m: _Made) -> None:
    c, e = m.columns, m.events
    m.common()
    c["document_no"] = m.document()
    fact = m.choose(1, ("annual_report_late", "information_duty_missed", "annual_report_done"), (55, 15, 30))
    c["fact_type"] = fact
    c["due_on"] = pool([f"{y}/06/30" for y in e.year.tolist()])
    c["decision_date"] = m.dates(e.day)
    c["fact_content"] = where(fact == "annual_report_done", "已公示年度报告", "未在规定期限内履行公示义务")


def _enforcement(m: _Made) -> None:
    c, e = m.columns, m.events
    m.common()
    c["document_no"] = m.document()
    kind = m.choose(1, ("执行案件", "限制消费"), (70, 30))
    c["enforcement_type"] = kind
    state = m.choose(2, ("执行中", "已结案", "终结本次执行", "已解除"), (45, 25, 22, 8))
    c["enforcement_state"] = state
    c["amount_yuan"] = _number(np.exp(11 + 1.5 * _normal(m, 3)).astype(np.int64), 1)
    opened = e.day - 60
    c["decision_date"] = m.dates(opened)
    c["closed_on"] = where(state == "执行中", "", days.text(e.day, m.dept.dates))


def _judgement(m: _Made) -> None:
    c, e = m.columns, m.events
    m.common()
    c["document_no"] = m.document()
    c["case_cause"] = m.choose(1, words.CAUSES)
    c["judgement_result"] = m.choose(
        2, ("判令被告支付价款及利息", "驳回原告诉讼请求", "调解结案", "判令被告履行合同义务")
    )
    c["decision_date"] = m.dates(e.day - 20)
    c["effective_on"] = where(m.u(3) < 0.7, days.text(e.day, m.dept.dates), "")


def _approval(m: _Made) -> None:
    c, e = m.columns, m.events
    m.common()
    c["document_no"] = pool([f"4405{y}{s:09d}" for y, s in zip(e.year.tolist(), e.serial.tolist(), strict=True)])
    items = pool(
        [
            "营业执照变更",
            "社会保险参保登记",
            "不动产转移登记",
            "道路运输证换发",
            "公共场所卫生许可延续",
            "住房公积金提取",
            "食品经营许可新办",
            "医师执业注册",
            "户外广告设置审批",
            "社保卡申领",
        ]
    )
    item = m.index(1, len(items))
    c["item_code"] = pool([f"4405000{i:03d}00" for i in range(1, len(items) + 1)])[item]
    c["item_name"] = items[item]
    channel = m.choose(2, ("窗口", "网上", "自助", "移动端"), (30, 45, 8, 17))
    c["channel"] = channel
    c["online_depth"] = m.choose(3, ("I", "II", "III", "IV"), (5, 15, 35, 45))
    statutory = np.array([5, 20, 30, 10, 20, 3, 20, 20, 10, 5])[item]
    promised = np.maximum(statutory // 4, 1)
    used = np.minimum((m.u(4) ** 1.5 * (promised + 1.2)).astype(np.int64), 40)
    accepted = days.workdays_before(e.day, used)
    applied = days.workdays_before(accepted, (m.u(5) < 0.2).astype(np.int64))
    second = 31_000 + m.index(6, 9_000)
    c["applied_at"] = days.stamp(applied, second)
    c["accepted_at"] = days.stamp(accepted, second + 600 + m.index(7, 8_000))
    pending = m.u(8) < 0.03
    c["decided_at"] = where(pending, "", days.stamp(e.day, second + 9_000 + m.index(9, 12_000)))
    c["case_decision"] = where(pending, "在办", m.choose(10, ("准予", "不予", "撤回"), (96, 2, 2)))
    c["statutory_days"], c["promised_days"] = (
        pool([str(x) for x in statutory.tolist()]),
        pool([str(x) for x in promised.tolist()]),
    )
    c["suspended_days"] = where(m.u(11) < 0.05, "3", "0")
    c["visits"] = where(channel == "窗口", m.choose(12, ("1", "1", "2")), "0")
    c["satisfaction"] = where(
        pending,
        "",
        m.choose(13, ("非常满意", "满意", "基本满意", "不满意", "非常不满意", ""), (60, 15, 3, 0.6, 0.2, 21)),
    )
    m.near["short_name"] = mask(len(x) == 2 for x in m.party.name.tolist())


def _abnormal(m: _Made) -> None:
    c, e, p = m.columns, m.events, m.party
    m.common()
    registers = m.dept.texts["registers"]
    code = fill(m.n, registers[0])
    if len(registers) > 1:
        code = where(p.sort == "h", "AB02", where(p.sort == "c", "AB03", "AB01"))
    c["list_code"] = code
    c["document_no"] = m.document()
    c["entry_reason"] = pool([words.REGISTER_REASONS[x] for x in code.tolist()])
    elsewhere = (m.u(1) < 0.3) & (code == "AB01")
    c["entry_reason"] = where(elsewhere, "通过登记的住所或者经营场所无法联系", c["entry_reason"])
    c["decision_date"] = m.dates(e.day)
    out = e.day + 30 + m.index(2, 300)
    left = (m.u(3) < 0.5) & (out <= e.ready)
    c["exit_date"] = where(left, days.text(out, m.dept.dates), "")


def _list_entry(m: _Made) -> None:
    c, e, p, w = m.columns, m.events, m.party, m.planner.world
    m.common()
    codes = m.dept.texts["lists"]
    code = m.choose(1, codes)
    if m.feed.dept == "sjgj":
        code = m.choose(1, ("SL04", "SL13", "SL14"), (80, 12, 8))
    c["list_code"] = code
    c["list_name"] = pool([words.LISTS[x] for x in code.tolist()])
    c["document_no"] = m.document()
    acts = m.dept.texts.get("acts") or [
        ["有履行能力而拒不履行生效法律文书确定义务", "《最高人民法院关于公布失信被执行人名单信息的若干规定》第一条"]
    ]
    act = m.index(2, len(acts))
    c["entry_reason"] = pool([a[0] + "，情节严重" for a in acts])[act]
    c["legal_basis"] = pool([a[1] for a in acts])[act]
    c["decision_date"] = m.dates(e.day)
    c["published_on"] = days.text(e.ready, m.dept.dates)
    c["behaviour_from"] = days.text(e.day - 200 - m.index(3, 200), m.dept.dates)
    c["behaviour_to"] = days.text(e.day - 60 - m.index(4, 100), m.dept.dates)
    months = np.array([words.LIST_TERM_MONTHS.get(x, 0) for x in code.tolist()])
    c["planned_exit_date"] = where(
        (months > 0) & (m.u(5) < 0.8), days.text(e.day + (months * 30.44).astype(np.int64), m.dept.dates), ""
    )
    c["legal_representative_name"] = p.leader_name
    named = mask(x in words.LISTS_WITH_PERSONS for x in code.tolist()) & p.entity & (m.u(6) < 0.6)
    who = w.heads_on(p.index, e.day - 100)
    c["responsible_person_name"] = where(named, w.person_name(who), "")
    i = np.flatnonzero(named)
    if len(i):
        c["responsible_person_id_no"][i] = w.resident_no(who[i])
    c["responsible_person_role"] = where(
        named, m.choose(7, ("legal_representative", "principal", "directly_responsible_manager"), (70, 20, 10)), ""
    )
    c["responsible_person_named"] = where(named, where(m.u(8) < 0.8, "是", "否"), "")
    c["person_notified_on"] = where(named & (m.u(9) < 0.85), days.text(e.day - 10, m.dept.dates), "")
    if m.feed.dept == "x_court":
        c["performance"] = m.choose(10, ("全部未履行", "部分未履行", "全部未履行"))
        c["document_no"] = m.document("enforcement")
    c["region_name"] = where(p.entity, pool(["汕头市" + r[1] for r in words.REGIONS])[w.region[p.index]], "汕头市")
    c["region_code"] = where(p.entity, p.region, c["region_code"])


def _repair(m: _Made) -> None:
    c, e = m.columns, m.events
    m.common()
    c["document_no"] = m.document()
    targets = m.planner.targets(m.feed, e)
    c["target_kind"] = fill(m.n, "penalty")
    c["target_document_no"] = target_document_no(m.planner, targets)
    c["target_authority_uscc"] = _target_authority(m.planner, targets)
    c["repair_state"] = m.choose(
        1, ("granted", "executed", "accepted", "submitted", "rejected", "refused"), (50, 30, 5, 5, 7, 3)
    )
    c["submitted_on"] = days.text(e.day - 8, m.dept.dates)
    c["decision_date"] = m.dates(e.day)


def _target_authority(planner: Planner, targets: Decided) -> Texts:
    made = fill(len(targets.feed))
    for number in np.unique(targets.feed).tolist():
        m = np.flatnonzero(targets.feed == number)
        made[m] = pool([a.uscc for a in departments()[planner.feeds[number].dept].authorities])[targets.authority[m]]
    return made


def _objection(m: _Made) -> None:
    c, e = m.columns, m.events
    m.common()
    c["document_no"] = m.document()
    c["target_kind"] = fill(m.n, "penalty")
    c["target_document_no"] = target_document_no(m.planner, m.planner.targets(m.feed, e))
    c["objection_ground"] = m.choose(1, ("认定事实有误", "处罚已履行完毕仍在公示", "主体信息有误", "超过公示期限"))
    c["objection_state"] = m.choose(
        2, ("submitted", "checking", "upheld", "dismissed", "withdrawn"), (10, 20, 25, 40, 5)
    )
    c["submitted_on"] = days.text(e.day - 5, m.dept.dates)
    c["decision_date"] = m.dates(e.day)


def _self_declared(m: _Made) -> None:
    c, e = m.columns, m.events
    m.common()
    c["document_no"] = m.document()
    c["declared_item"] = m.choose(1, ("管理体系认证", "知识产权情况", "社会责任报告", "经营业绩"))
    c["declared_content"] = m.choose(
        2, ("通过质量管理体系认证", "持有实用新型专利3项", "已发布年度社会责任报告", "主要产品出口额稳定增长")
    )
    c["truth_commitment"] = fill(m.n, "是")
    c["decision_date"] = m.dates(e.day)
    c["valid_to"] = days.text(e.day + 365, m.dept.dates)


def _measure(m: _Made) -> None:
    c, e = m.columns, m.events
    m.common()
    targets = m.planner.targets(m.feed, e)
    c["document_no"] = pool([f"CS{y}{s:07d}" for y, s in zip(e.year.tolist(), e.serial.tolist(), strict=True)])
    c["measure_code"] = m.choose(1, words.MEASURES)
    lead = pool([f.dept for f in m.planner.feeds])[targets.feed]
    c["list_code"] = pool([departments()[d].texts["lists"][0] for d in lead.tolist()])
    c["trigger_document_no"] = target_document_no(m.planner, targets)
    c["executing_department"] = m.choose(2, ("fgj", "czj", "zrj", "sjgj", "jtj", "kjj", "gxj", "zjj"))
    c["decision_date"] = m.dates(e.day)
    ended = m.u(3) < 0.1
    c["ended_on"] = where(ended, days.text(e.ready, m.dept.dates), "")
    c["end_reason"] = where(ended, m.choose(4, ("expired", "repaired", "withdrawn", "exited")), "")
    c["feedback"] = where(
        m.u(5) < 0.7, m.choose(6, ("已在审批环节限制", "已列入重点监管", "已取消评优资格", "未发生适用情形")), ""
    )
    c["feedback_on"] = where(c["feedback"] != "", days.text(e.ready, m.dept.dates), "")


def _decision(m: _Made) -> None:
    c, e = m.columns, m.events
    targets = m.planner.targets(m.feed, e)
    c["subject_name"], c["subject_uscc"] = m.party.name, m.party.uscc
    c["document_no"] = pool([f"XYB-JD-{y}-{s:05d}" for y, s in zip(e.year.tolist(), e.serial.tolist(), strict=True)])
    kind = m.choose(
        1,
        ("severity", "notice_date", "objection_mark", "publication_hold", "withdrawal", "regime_override"),
        (40, 20, 15, 10, 10, 5),
    )
    c["decision_type"] = kind
    c["target_kind"] = fill(m.n, "penalty")
    c["target_document_no"] = target_document_no(m.planner, targets)
    value = where(
        kind == "severity",
        m.choose(2, ("轻微", "一般", "严重")),
        where(kind == "notice_date", days.text(e.day, "slash"), where(kind == "regime_override", "R2023", "")),
    )
    c["decision_value"] = value
    c["reason"] = m.choose(3, ("经复核材料认定", "依部门来函", "依当事人申请并核实"))
    c["decided_by"] = m.choose(4, ("信用办经办示例甲", "信用办经办示例乙"))
    c["confirmed_by"] = where(kind == "withdrawal", "信用办复核示例丙", "")
    c["decision_date"] = m.dates(e.day)


def _receipt(m: _Made) -> None:
    c, e = m.columns, m.events
    _outbound(m)
    c["receipt_code"] = fill(m.n, "00")
    c["national_id"] = pool([f"GJ{y}{s:010d}" for y, s in zip(e.year.tolist(), e.serial.tolist(), strict=True)])


def _return(m: _Made) -> None:
    _outbound(m)
    m.columns["return_code"] = m.choose(1, words.RETURN_CODES)
    m.columns["return_text"] = m.choose(2, ("必填项缺失", "格式错误", "名称与代码不一致", "日期逻辑错误"))


def _outbound(m: _Made) -> None:
    c, e = m.columns, m.events
    targets = m.planner.targets(m.feed, e)
    letter = "H" if m.feed.kind == "receipt" else "T"
    c["document_no"] = pool([f"SB{letter}{y}{s:09d}" for y, s in zip(e.year.tolist(), e.serial.tolist(), strict=True)])
    kinds = pool([f.kind for f in m.planner.feeds])
    c["target_kind"] = kinds[targets.feed]
    c["target_document_no"] = target_document_no(m.planner, targets)
    c["source_department"] = pool([f.dept for f in m.planner.feeds])[targets.feed]
    c["decision_date"] = m.dates(e.day)


_RENDER: dict[str, Callable[[_Made], None]] = {
    "permit": _permit,
    "penalty": _penalty,
    "registration": _registration,
    "inspection": _inspection,
    "qualification": _qualification,
    "honour": _honour,
    "award": _award,
    "rating": _rating,
    "commitment": _commitment,
    "contract_performance": _contract,
    "compliance_fact": _compliance,
    "enforcement": _enforcement,
    "judgement": _judgement,
    "approval_case": _approval,
    "abnormal_entry": _abnormal,
    "list_entry": _list_entry,
    "repair": _repair,
    "objection": _objection,
    "self_declared": _self_declared,
    "measure": _measure,
    "decision": _decision,
    "receipt": _receipt,
    "return": _return,
}


def render(planner: Planner, feed: Feed, events: Events, today: int) -> Rows:
    """Clean rows of a feed for some events, as of a day."""
    made = _Made(planner, feed, events, today)
    _RENDER[feed.kind](made)
    return made.rows()


def render_arrears(planner: Planner, feed: Feed, day: int) -> Rows:
    """The complete list of who owes on a day."""
    dept = departments()[feed.dept]
    subject, since, number, salt = planner.arrears(feed, day)
    n = len(subject)
    zero = np.zeros(n, dtype=np.int64)
    events = Events(
        np.full(n, day), np.full(n, day), np.full(n, 30_600), subject, zero, number, days.years(since), salt, zero - 1
    )
    m = _Made(planner, feed, events, day)
    m.common()
    c, texts = m.columns, dept.texts["arrears"]
    c["document_no"] = fill(n, f"{dept.short}欠告{days.date(day):%Y%m%d}号")
    c["arrears_type"] = fill(n, texts["type"])
    c["tax_item"] = m.choose(1, texts["items"])
    c["period"] = pool([days.month_text(x) for x in (days.months(since) - 1).tolist()])
    amount = np.exp(9 + 1.3 * _normal(m, 2))
    c["amount_yuan"] = pool([f"{a:.2f}" for a in amount.tolist()])
    new = (day - since) < 31
    c["new_amount_yuan"] = where(new, c["amount_yuan"], "0")
    c["decision_date"] = m.dates(events.day)
    c["business_address"] = where(m.party.entity, planner.world.address[m.party.index], "")
    c["taxpayer_no"] = where(m.party.has_code, m.party.uscc, "")
    c["legal_representative_name"] = m.party.leader_name
    key = np.array(
        [f"{s}|{t}|{p}" for s, t, p in zip(subject.tolist(), c["tax_item"].tolist(), c["period"].tolist(), strict=True)]
    )
    _, first = np.unique(key, return_index=True)
    return m.rows().take(np.sort(first))


def render_zero(feed: Feed, declared: list[tuple[str, int, int]]) -> Rows:
    """Zero declarations: (kind, month, day of declaration)."""
    dept = departments()[feed.dept]
    n = len(declared)
    c = {column.name: fill(n) for column in layouts()["zero_declaration"]}
    c["document_no"] = pool(
        [
            f"LBS-{dept.code.upper()}-{kind.upper()}-{days.month_text(month).replace('-', '')}"
            for kind, month, _ in declared
        ]
    )
    c["declared_kind"] = pool([kind for kind, _, _ in declared])
    c["period"] = pool([days.month_text(month) for _, month, _ in declared])
    c["officer"] = fill(n, "陈示例")
    ready = np.array([day for _, _, day in declared], dtype=np.int64)
    c["decision_date"] = days.text(ready, dept.dates)
    c["source_unit_name"], c["source_unit_uscc"] = fill(n, dept.authorities[0].name), fill(n, dept.authorities[0].uscc)
    return Rows("zero_declaration", c, np.full(n, -(1 << 40)), fill(n, "I"), days.stamp(ready, np.full(n, 32_400)))
