"""Who lives in the sandbox: entities, persons, head offices elsewhere; the same for the same seed, scale and baseline day.

`make(seed, scale, baseline)` gives 450,000 x scale entities that exist on the baseline day and a tail of 5 % that will be
registered in the two years after it. Columns are numpy arrays with one place per entity. Activity is skewed: a few
entities have most of the records. A placeholder household has no credit code but a 15-digit registration number.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from sandbox import checkdigits as cd
from sandbox import days, words

Ints = npt.NDArray[np.int64]
Texts = npt.NDArray[np.object_]
NEVER = days.number(dt.date(2104, 12, 31))

SORTS = "ehcslinb"
SHARES = {"e": 0.30, "h": 0.645, "c": 0.006, "s": 0.012, "l": 0.0006, "i": 0.008, "n": 0.0104, "b": 0.018}
_PREFIX = {"e": "91", "h": "92", "c": "93", "s": "51", "l": "31", "i": "12", "n": "N2", "b": "91"}
_BODY = {"e": "MA", "h": "MA", "c": "NA", "s": "MJ", "l": "MD", "i": "MB", "n": "MF", "b": "MA"}
ENTITIES = 450_000


@dataclass(frozen=True)
class World:
    """Columns by entity index, see the module; `legal_person` and `later_person` are person indexes."""

    seed: int
    count: int
    baseline: int
    sort: npt.NDArray[np.str_]
    region: Ints
    has_code: npt.NDArray[np.bool_]
    uscc: Texts
    reg_no: Texts
    registered: Ints
    deregistered: Ints
    status_end: Texts
    name: Texts
    later_name: Texts
    renamed: Ints
    legal_person: Ints
    later_person: Ints
    person_changed: Ints
    capital: Texts
    address: Texts
    trade: Ints
    head: Ints
    weight: npt.NDArray[np.float64]
    head_name: Texts
    head_uscc: Texts
    other_name: Texts
    other_uscc: Texts
    other_region: Texts
    persons: int

    def __len__(self) -> int:
        return len(self.sort)

    @cached_property
    def members(self) -> dict[str, Ints]:
        """Entity indexes by sort, active ones that exist on the baseline day."""
        alive = (self.registered <= self.baseline) & (self.deregistered > self.baseline - 2000)
        return {sort: np.flatnonzero((self.sort == sort) & alive) for sort in SORTS}

    @cached_property
    def _cumulated(self) -> dict[str, npt.NDArray[np.float64]]:
        return {sort: np.cumsum(self.weight[index]) for sort, index in self.members.items()}

    @cached_property
    def old_members(self) -> dict[str, Ints]:
        """Entities registered six years before the baseline and never struck off, by sort."""
        good = (self.registered < self.baseline - 2192) & (self.deregistered == NEVER)
        return {sort: np.flatnonzero((self.sort == sort) & good) for sort in SORTS}

    @cached_property
    def placeholders(self) -> Ints:
        """Household businesses without a credit code."""
        return self.members["h"][~self.has_code[self.members["h"]]]

    def pick(self, sort: str, when: Ints, rng: np.random.Generator) -> Ints:
        """Entities of a sort, by activity, registered before `when` and not struck off then."""
        index, cumulated = self.members[sort], self._cumulated[sort]
        chosen = index[np.minimum(np.searchsorted(cumulated, rng.random(len(when)) * cumulated[-1]), len(index) - 1)]
        wrong = (self.registered[chosen] > when - 30) | (self.deregistered[chosen] <= when)
        old = self.old_members[sort]
        if wrong.any() and len(old):
            chosen[wrong] = old[rng.integers(0, len(old), int(wrong.sum()))]
        return np.asarray(chosen)

    def names_on(self, entity: Ints, when: Ints) -> Texts:
        """The name an entity had on a day."""
        return np.where(when >= self.renamed[entity], self.later_name[entity], self.name[entity])

    def heads_on(self, entity: Ints, when: Ints) -> Ints:
        """Person index of the legal representative on a day."""
        return np.where(when >= self.person_changed[entity], self.later_person[entity], self.legal_person[entity])

    # persons

    def person_name(self, person: Ints) -> Texts:
        """Names of persons: a common surname and a given name that says it is an example."""
        return np.asarray(_PERSON_NAMES[(person * 7919 + self.seed) % len(_PERSON_NAMES)])

    def resident_no(self, person: Ints) -> Texts:
        """Resident numbers: real region, a birth date between 1950 and 2003, sequence 001-009, right check character."""
        space = len(_BIRTH_REGIONS) * _BIRTH_DAYS * 9
        code = (person * 1_299_709 + 15_485_863 * (self.seed + 1)) % space
        region = _BIRTH_REGIONS[code % len(_BIRTH_REGIONS)]
        rest = code // len(_BIRTH_REGIONS)
        birth = (days.number(dt.date(1950, 1, 1)) + rest % _BIRTH_DAYS).astype("datetime64[D]")
        year = birth.astype("datetime64[Y]").astype(np.int64) + 1970
        month = birth.astype("datetime64[M]").astype(np.int64) % 12 + 1
        day = (birth - birth.astype("datetime64[M]")).astype(np.int64) + 1
        body = np.hstack(
            [region, cd.digits(year * 10000 + month * 100 + day, 8), cd.digits(rest // _BIRTH_DAYS % 9 + 1, 3)]
        )
        return cd.texts(np.hstack([body, cd.resident_check(body)[:, None]]))


_PERSON_NAMES: Texts = np.array([s + g for s in words.SURNAMES for g in words.GIVEN], dtype=object)
_BIRTH_REGIONS = np.vstack([cd.repeat(code, 1) for code in [r[0] for r in words.REGIONS] + list(words.ENDED_REGIONS)])
_BIRTH_DAYS = 19_709


def _take(pool: tuple[str, ...] | Texts, index: Ints) -> Texts:
    return np.asarray(pool if isinstance(pool, np.ndarray) else np.array(pool, dtype=object))[index]


def _names(sort: npt.NDArray[np.str_], region: Ints, trade: Ints, head: Ints, rng: np.random.Generator) -> Texts:
    """Full names, each once: a clash gets further syllables."""
    n = len(sort)
    syllable = np.array(words.SYLLABLES, dtype=object)
    picks = rng.integers(0, len(syllable), (n, 4))
    brand = syllable[picks[:, 0]] + syllable[picks[:, 1]]
    three = rng.random(n) < 0.35
    brand[three] = brand[three] + syllable[picks[three, 2]]
    where = _take(tuple(r[1] for r in words.REGIONS), region)
    city_level = rng.random(n) < 0.4
    place = np.where(city_level, "汕头市", np.array(["汕头市"] * n, dtype=object) + where)
    style = rng.random(n)
    form = rng.integers(0, 1 << 30, n)
    made = np.empty(n, dtype=object)
    for what in SORTS:
        m = np.flatnonzero(sort == what)
        if not len(m):
            continue
        b, p, w, f = brand[m], place[m], where[m], form[m]
        industry = _take(tuple(t[0] for t in words.TRADES), trade[m])
        if what == "e":
            built = p + b + industry + _take(words.COMPANY_FORMS, f % len(words.COMPANY_FORMS))
            bracket = style[m] < 0.05
            built[bracket] = b[bracket] + "(汕头)" + industry[bracket] + "有限公司"
            wide = (style[m] >= 0.05) & (style[m] < 0.10)
            built[wide] = b[wide] + "（汕头）" + industry[wide] + "有限公司"
        elif what == "h":
            built = "汕头市" + w + b + _take(words.SHOPS, f % len(words.SHOPS))
            short = style[m] < 0.03
            built[short] = syllable[picks[m][short, 0]] + syllable[picks[m][short, 3]]
        elif what == "c":
            built = "汕头市" + w + b + _take(words.COOPERATIVES, f % len(words.COOPERATIVES))
        elif what == "s":
            built = "汕头市" + w + b + _take(tuple(s[0] for s in words.SOCIAL), np.arange(len(m)) % len(words.SOCIAL))
        elif what == "l":
            built = "广东" + b + "律师事务所"
        elif what == "i":
            built = "汕头市" + w + b + _take(words.INSTITUTIONS, f % len(words.INSTITUTIONS))
        elif what == "n":
            built = (
                "汕头市"
                + w
                + b
                + "镇"
                + syllable[picks[m, 2]]
                + syllable[picks[m, 3]]
                + "村"
                + _take(words.VILLAGES, f % len(words.VILLAGES))
            )
        else:
            built = _take(tuple(words.HEAD_OFFICES), head[m]) + "股份有限公司汕头" + b + "分公司"
        made[m] = built
    seen: set[str] = set()
    for i, name in enumerate(made.tolist()):
        step = 0
        fresh = name
        while fresh in seen:
            extra = (
                words.SYLLABLES[(i * 31 + step * 7) % len(words.SYLLABLES)]
                + words.SYLLABLES[(i // 97 + step * 13) % len(words.SYLLABLES)]
            )
            fresh = name[:5] + extra + name[5:] if len(name) > 5 else name[0] + extra
            step += 1
        seen.add(fresh)
        made[i] = fresh
    return made


def make(seed: int, scale: float, baseline: dt.date) -> World:
    """The world of a seed at a scale (1.0 = 450,000 entities) as it stands around the baseline day."""
    rng = np.random.default_rng([seed, 0xC17])
    today = days.number(baseline)
    count = max(1500, round(ENTITIES * scale))
    n = count + max(60, count // 20)
    wanted = np.array([SHARES[s] for s in SORTS]) * n
    sizes = np.maximum(wanted.astype(np.int64), 14)
    sizes[1] += n - sizes.sum()
    sort = np.repeat(np.array(list(SORTS)), sizes)
    rng.shuffle(sort)
    index = np.arange(n)
    region = rng.choice(len(words.REGIONS), n, p=np.array(words.REGION_WEIGHTS))
    trade = rng.integers(0, len(words.TRADES), n)
    head = np.where(sort == "b", rng.integers(0, len(words.HEAD_OFFICES), n), -1)

    age = (rng.beta(1.0, 2.2, n) * 9500).astype(np.int64) + 1
    registered = today - age
    registered[count:] = today + rng.integers(1, 731, n - count)
    deregistered = np.full(n, NEVER)
    struck = (rng.random(n) < 0.05) & (index < count)
    deregistered[struck] = (
        registered[struck] + (rng.random(int(struck.sum())) * (today + 700 - registered[struck])).astype(np.int64) + 20
    )
    status_end = _take(("注销", "注销", "注销", "吊销", "迁出"), rng.integers(0, 5, n))

    has_code = np.ones(n, dtype=bool)
    household = sort == "h"
    has_code[household] = rng.random(int(household.sum())) >= 0.16
    code_region = np.where(rng.random(n) < 0.12, "440500", np.array([r[0] for r in words.REGIONS])[region])
    region_codes = np.ascontiguousarray(code_region.astype("S6")).view(np.uint8).reshape(n, 6)
    prefix = np.empty((n, 2), dtype=np.uint8)
    body = np.empty((n, 8), dtype=np.uint8)
    spread = (index * 7_368_787 + 1_000_003 * (seed + 11)) % 31**5
    old = (registered < days.number(dt.date(2015, 10, 1))) & ((sort == "e") | (sort == "b"))
    for what in SORTS:
        m = sort == what
        prefix[m] = cd.repeat(_PREFIX[what], 1)
        body[m] = np.hstack([cd.repeat(_BODY[what] + "5", int(m.sum())), cd.base31(spread[m], 5)])
    body[old] = cd.digits((index[old] * 48_611 + 7_919 * (seed + 3)) % 90_000_000 + 10_000_000, 8)
    social = np.flatnonzero(sort == "s")
    prefix[social] = (
        np.vstack([cd.repeat(words.SOCIAL[i % len(words.SOCIAL)][1], 1) for i in range(len(social))])
        if len(social)
        else prefix[social]
    )
    uscc = cd.texts(cd.uscc(prefix, region_codes, body))

    with_reg = ~has_code | ((registered < days.number(dt.date(2015, 10, 1))) & np.isin(sort, list("ehcb")))
    ended = (registered < days.number(dt.date(2003, 6, 1))) & (rng.random(n) < 0.5)
    reg_region = np.where(
        ended, np.array(words.ENDED_REGIONS)[rng.integers(0, len(words.ENDED_REGIONS), n)], code_region
    )
    fourteen = np.hstack(
        [
            np.ascontiguousarray(reg_region.astype("S6")).view(np.uint8).reshape(n, 6),
            cd.digits((index * 611_953 + 104_729 * (seed + 5)) % 99_999_989, 8),
        ]
    )
    reg_no = cd.texts(np.hstack([fourteen, cd.reg_check(fourteen)[:, None]]))
    reg_no[~with_reg] = ""

    name = _names(sort, region, trade, head, rng)
    renamed = np.full(n, NEVER)
    r = np.flatnonzero((rng.random(n) < 0.012) & np.isin(sort, list("ec")) & (index < count))
    renamed[r] = today - rng.integers(-700, 1500, len(r))
    renamed[r] = np.maximum(renamed[r], registered[r] + 90)
    later_name = name.copy()
    later_name[r] = [
        old_name[:3] + words.SYLLABLES[i % 89] + words.SYLLABLES[i % 83] + "新" + old_name[3:]
        for i, old_name in zip(r.tolist(), name[r].tolist(), strict=True)
    ]
    persons = max(2500, int(n * 0.9))
    legal_person = rng.integers(0, persons, n)
    # some persons stand for many companies
    nominee = rng.random(n) < 0.01
    legal_person[nominee] = rng.integers(0, max(3, n // 2000), int(nominee.sum()))
    person_changed = np.full(n, NEVER)
    c = np.flatnonzero((rng.random(n) < 0.03) & np.isin(sort, list("ecb")))
    person_changed[c] = np.maximum(today - rng.integers(-700, 1800, len(c)), registered[c] + 60)
    amounts = np.array(["10", "30", "50", "100", "200", "500", "1000", "3000", "5000", "12800"], dtype=object)[
        rng.choice(10, n, p=[0.12, 0.1, 0.2, 0.22, 0.1, 0.12, 0.08, 0.03, 0.02, 0.01])
    ]
    capital = amounts + _take(("万人民币", "万元人民币", "(万人民币元)", "万元"), rng.integers(0, 4, n))
    capital[np.isin(sort, list("hbn"))] = ""
    street = _take(words.ROADS, rng.integers(0, len(words.ROADS), n))
    numbers = np.array([f"{i}号" for i in range(1, 400)], dtype=object)[rng.integers(0, 399, n)]
    address = "汕头市" + _take(tuple(x[1] for x in words.REGIONS), region) + street + numbers
    weight = rng.lognormal(0.0, 1.7, n)
    weight[deregistered < today - 400] = 0.0

    heads = len(words.HEAD_OFFICES)
    head_body = np.hstack([cd.repeat("MA5", heads), cd.base31(np.arange(heads) * 104_711 + 77, 5)])
    others = 240
    pick = np.arange(others) % len(words.OTHER_CITIES)
    other_code = np.array([c[0] for c in words.OTHER_CITIES])[pick]
    other_region = np.ascontiguousarray(other_code.astype("S6")).view(np.uint8).reshape(others, 6)
    other_body = np.hstack([cd.repeat("MA5", others), cd.base31(np.arange(others) * 7_919 + 31**4 * 3, 5)])
    syllable = np.array(words.SYLLABLES, dtype=object)
    other_name = (
        _take(tuple(c[1] for c in words.OTHER_CITIES), pick)
        + syllable[np.arange(others) % 97 % len(syllable)]
        + syllable[np.arange(others) * 7 % 89]
        + "进出口有限公司"
    )
    return World(
        seed=seed,
        count=count,
        baseline=today,
        sort=sort,
        region=region,
        has_code=has_code,
        uscc=uscc,
        reg_no=reg_no,
        registered=registered,
        deregistered=deregistered,
        status_end=status_end,
        name=name,
        later_name=later_name,
        renamed=renamed,
        legal_person=legal_person,
        later_person=(legal_person + 1 + index % 97) % persons,
        person_changed=person_changed,
        capital=capital,
        address=address,
        trade=trade,
        head=head,
        weight=weight,
        head_name=np.array([h + "股份有限公司" for h in words.HEAD_OFFICES], dtype=object),
        head_uscc=cd.texts(cd.uscc(cd.repeat("91", heads), cd.repeat("440300", heads), head_body)),
        other_name=other_name,
        other_uscc=cd.texts(cd.uscc(cd.repeat("91", others), other_region, other_body)),
        other_region=other_code.astype(object),
        persons=persons,
    )
