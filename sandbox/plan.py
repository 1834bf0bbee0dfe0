"""When which department decides about whom: compact events, before any text is written.

A planning year is 365 days counted from the baseline day (year -1 ends on it, year 0 begins the day after). The events of
a feed in a planning year depend on seed, scale, feed and year only, so a night takes the slice that became ready since the
last one, and records refer to each other by computing the other feed's events again.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt

from sandbox import days, words
from sandbox.description import Department, Feed, departments
from sandbox.world import World

Ints = npt.NDArray[np.int64]

CHANGE = -2  # target of an event that changes an entry of a register
ELSEWHERE = 10_000_000  # subjects of other cities start here
HEADS = 20_000_000  # head offices in other provinces start here
DECISIONS = ("permit", "penalty")


@dataclass(frozen=True)
class Events:
    """One place per record. `subject`: entity index, or -1 - person index; `target`: row of the referenced table or -1."""

    day: Ints
    ready: Ints
    second: Ints
    subject: Ints
    authority: Ints
    serial: Ints
    year: Ints
    salt: Ints
    target: Ints

    def __len__(self) -> int:
        return len(self.day)

    def take(self, index: Ints | slice) -> Events:
        """A part of the events."""
        return Events(*(getattr(self, f.name)[index] for f in fields(self)))


@dataclass(frozen=True)
class Decided:
    """What other records refer to: decisions of many feeds, sorted by the day they were delivered."""

    feed: Ints
    ready: Ints
    day: Ints
    subject: Ints
    authority: Ints
    serial: Ints
    year: Ints


def joined(parts: list[Events]) -> Events:
    """Several lots of events as one."""
    return Events(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Events)))


def feeds() -> list[Feed]:
    """Every feed, in a fixed order."""
    return [feed for dept in departments().values() for feed in dept.feeds.values()]


_PEAK_MONTH = {
    ("swj", "rating"): (4, 60.0),
    ("stj", "rating"): (5, 30.0),
    ("rsj", "rating"): (7, 30.0),
    ("jtj", "rating"): (6, 20.0),
    ("hgj", "rating"): (3, 10.0),
    ("sjgj", "rating"): (8, 10.0),
    ("sjgj", "compliance_fact"): (7, 25.0),
    ("sjgj", "abnormal_entry"): (7, 6.0),
    ("x_gsxt", "abnormal_entry"): (7, 6.0),
    ("sjgj", "commitment"): (6, 4.0),
    ("rsj", "list_entry"): (1, 5.0),
    ("rsj", "penalty"): (1, 4.0),
}
_DISTINCT = frozenset({"rating"})
_REFERRING = {
    "repair": "penalty",
    "objection": "penalty",
    "receipt": "decision",
    "return": "decision",
    "measure": "list_entry",
    "decision": "penalty",
}


class Planner:
    """Events of every feed for one world; `years` is how far the backlog goes back."""

    def __init__(self, world: World, scale: float, years: int) -> None:
        self.world = world
        self.scale = scale
        self.years = years
        self.feeds = feeds()
        self._number = {feed.id: i for i, feed in enumerate(self.feeds)}
        self.decided = lru_cache(maxsize=24)(self._decided)
        self.year_of = lru_cache(maxsize=6)(self._year_of)

    def rng(self, *what: object) -> np.random.Generator:
        """A generator for one purpose, the same in every run."""
        return np.random.default_rng([self.world.seed, *(zlib.crc32(str(w).encode()) for w in what)])

    def window(self, year: int) -> tuple[int, int]:
        """First and last day of a planning year."""
        first = self.world.baseline + 365 * year + 1
        return first, first + 364

    def planning_year(self, day: int) -> int:
        """The planning year of a day."""
        return (day - self.world.baseline - 1) // 365

    def rows_a_year(self, feed: Feed) -> int:
        """Records a year at this scale; small feeds keep a few, bodies that are usually at zero may have none."""
        dept = departments()[feed.dept]
        floor = 4
        if dept.rare and feed.kind in DECISIONS:
            floor = 1 if feed.kind == "permit" else 0
        elif feed.rows < 100:
            floor = 3
        return max(round(feed.rows * self.scale), min(feed.rows, floor))

    def slice(self, feed: Feed, after: int, upto: int) -> Iterator[Events]:
        """Events that became ready after one day and up to another, year by year."""
        for year in range(self.planning_year(after + 1), self.planning_year(upto) + 1):
            if year < -self.years:
                continue
            events = self.year_of(feed, year)
            inside = slice(
                int(np.searchsorted(events.ready, after, "right")), int(np.searchsorted(events.ready, upto, "right"))
            )
            if inside.stop > inside.start:
                yield events.take(inside)

    def _ready_days(self, dept: Department, feed: Feed, year: int, n: int, rng: np.random.Generator) -> Ints:
        first, last = self.window(year)
        span = np.arange(first, last + 1)
        weight = np.where(days.workdays(span), 1.0, 0.08 if dept.cadence == "hourly" else 0.0)
        month_start = span.astype("datetime64[D]").astype("datetime64[M]")
        day_of_month = (span.astype("datetime64[D]") - month_start).astype(np.int64) + 1
        weight = weight * np.where(day_of_month >= 26, 1.6, 1.0)
        peak = _PEAK_MONTH.get((feed.dept, feed.kind))
        if peak:
            weight = weight * np.where(days.months(span) % 12 + 1 == peak[0], peak[1], 1.0)
        cumulated = np.cumsum(weight)
        return np.sort(span[np.searchsorted(cumulated, rng.random(n) * cumulated[-1], "right").clip(0, len(span) - 1)])

    def _year_of(self, feed: Feed, year: int) -> Events:
        dept = departments()[feed.dept]
        n = self.rows_a_year(feed)
        rng = self.rng("plan", feed.id, year)
        ready = self._ready_days(dept, feed, year, n, rng)
        lag = np.minimum(rng.poisson(dept.lag, n) + np.where(rng.random(n) < 0.03, rng.integers(5, 30, n), 0), 60)
        day = days.workdays_before(ready, lag)
        step = np.arange(n) / max(n, 1)
        second = (30_600 + step * 300 + rng.integers(0, 30_000, n)).astype(np.int64)
        order = np.lexsort((second, ready))
        ready, day, second = ready[order], day[order], second[order]
        authority = (
            np.where(rng.random(n) < 0.45, 0, rng.integers(1, 8, n))
            if len(dept.authorities) > 1
            else np.zeros(n, dtype=np.int64)
        )
        width = 10 ** len(str(max(n, 1)))
        serial = np.arange(1, n + 1) + (year & 1) * width
        target = np.full(n, CHANGE if feed.kind == "registration" else -1)
        who = self._register_changes if feed.kind == "registration" else self._subjects
        subject = who(dept, feed, day, rng)
        events = Events(
            day, ready, second, subject, authority, serial, days.years(day), rng.integers(0, 1 << 31, n), target
        )
        if feed.kind in _REFERRING:
            events = self._with_targets(feed, year, events, rng)
        elif feed.kind == "list_entry" and ("penalty" in dept.feeds or "enforcement" in dept.feeds):
            events = self._listed_after(dept, year, events, rng)
        elif feed.kind in DECISIONS and "several_parties" in dept.texts:
            events = self._several_parties(events, dept.texts["several_parties"], rng)
        return events

    def _subjects(self, dept: Department, feed: Feed, day: Ints, rng: np.random.Generator) -> Ints:
        mix = dept.mix(feed.kind)
        sorts = list(mix)
        share = np.array([mix[s] for s in sorts], dtype=float)
        chosen = rng.choice(len(sorts), len(day), p=share / share.sum())
        subject = np.empty(len(day), dtype=np.int64)
        for i, sort in enumerate(sorts):
            m = np.flatnonzero(chosen == i)
            if sort == "p":
                subject[m] = -1 - (self.world.persons * rng.random(len(m)) ** 1.5).astype(np.int64)
            elif feed.kind in _DISTINCT and len(m):
                there = self.world.members[sort]
                members = rng.permutation(there[self.world.deregistered[there] > int(day[-1])])
                subject[m] = members[np.arange(len(m)) % len(members)]
            else:
                subject[m] = self.world.pick(sort, day[m], rng)
        placeholder = dept.texts.get("placeholder")
        if placeholder and len(self.world.placeholders):
            m = np.flatnonzero((subject >= 0) & (rng.random(len(day)) < placeholder))
            m = m[self.world.sort[subject[m]] == "h"]
            pool = self.world.placeholders
            subject[m] = pool[rng.integers(0, len(pool), len(m))]
        return subject

    def _register_changes(self, dept: Department, feed: Feed, day: Ints, rng: np.random.Generator) -> Ints:
        """Entities whose entry changes: those with a dated change of name, head or status first, then others at random."""
        subject = self._subjects(dept, feed, day, rng)
        if not len(day):
            return subject
        w, low, high = self.world, int(day[0]), int(day[-1])
        mine = np.isin(w.sort, list(dept.mix(feed.kind)))
        for moment in (w.registered, w.renamed, w.deregistered, w.person_changed):
            due = np.flatnonzero(
                mine & (moment >= low) & (moment <= high) & ((moment is not w.registered) | (w.registered > w.baseline))
            )
            where = np.searchsorted(day, moment[due], "left")
            where, first = np.unique(np.minimum(where, len(day) - 1), return_index=True)
            subject[where] = due[first]
        late = np.flatnonzero(w.registered[subject] > day)
        if len(late):
            subject[late] = w.old_members[
                "i" if "i" in dept.mix(feed.kind) else "s" if "s" in dept.mix(feed.kind) else "h"
            ][0]
        return subject

    def _decided(self, kind: str, year: int) -> Decided:
        """Decisions of a planning year that others refer to: penalty, decision (permit and penalty) or list_entry."""
        kinds = DECISIONS if kind == "decision" else (kind,)
        parts: list[tuple[int, Events]] = []
        for number, feed in enumerate(self.feeds):
            if (
                feed.kind in kinds
                and not (feed.dept.startswith("x_") and kind != "list_entry")
                and feed.dept not in ("x_province", "x_mil")
                and feed.layout == "2018"
            ):
                events = self._year_of(feed, year)
                keep = np.flatnonzero((events.subject >= 0) & (events.subject < ELSEWHERE))
                parts.append((number, events.take(keep)))
        feed_no = np.concatenate([np.full(len(e), i) for i, e in parts])
        columns = [
            np.concatenate([getattr(e, name) for _, e in parts])
            for name in ("ready", "day", "subject", "authority", "serial", "year")
        ]
        order = np.argsort(columns[0], kind="stable")
        return Decided(feed_no[order], *(c[order] for c in columns))

    def _with_targets(self, feed: Feed, year: int, events: Events, rng: np.random.Generator) -> Events:
        """Refer each event to an earlier decision of this or the previous planning year; those without one fall away."""
        kind = _REFERRING[feed.kind]
        wait = {"repair": 100, "objection": 10, "receipt": 1, "return": 1, "measure": 15, "decision": 5}[feed.kind]
        reach = year if year == -self.years else year - 1
        target = np.full(len(events), -1)
        source = np.full(len(events), year)
        for pool_year in (year, reach):
            pool = self.decided(kind, pool_year)
            open_ = np.flatnonzero(target < 0)
            room = np.searchsorted(pool.ready, events.day[open_] - wait, "left")
            good = room > 0
            if feed.kind in ("receipt", "return"):
                back = np.minimum((rng.random(len(open_)) ** 3 * room).astype(np.int64), np.maximum(room - 1, 0))
                found = room - 1 - back
            else:
                found = (rng.random(len(open_)) * room).astype(np.int64)
            target[open_[good]] = found[good]
            source[open_[good]] = pool_year
            if pool_year == reach:
                break
        kept = np.flatnonzero(target >= 0)
        events, target, source = events.take(kept), target[kept], source[kept]
        if feed.kind == "repair" and len(target):  # a decision is repaired once
            _, first = np.unique(target * 1000 + (source % 1000), return_index=True)
            first = np.sort(first)
            events, target, source = events.take(first), target[first], source[first]
        subject = events.subject.copy()
        for pool_year in set(source.tolist()):
            m = np.flatnonzero(source == pool_year)
            subject[m] = self.decided(kind, pool_year).subject[target[m]]
        return replace(events, subject=subject, target=target * 1000 + (source + 500))

    def targets(self, feed: Feed, events: Events) -> Decided:
        """The decisions that events of a referring feed point at, one per event."""
        kind = _REFERRING[feed.kind]
        year = events.target % 1000 - 500
        row = events.target // 1000
        columns = {f.name: np.zeros(len(events), dtype=np.int64) for f in fields(Decided)}
        for pool_year in set(year.tolist()):
            m = np.flatnonzero(year == pool_year)
            pool = self.decided(kind, pool_year)
            for name, column in columns.items():
                column[m] = getattr(pool, name)[row[m]]
        return Decided(**columns)

    def _listed_after(self, dept: Department, year: int, events: Events, rng: np.random.Generator) -> Events:
        """Who is listed was fined by the same department before, or is the debtor of one of the court's cases."""
        cause = dept.feeds.get("enforcement") or dept.feeds["penalty"]
        before = self._year_of(cause, year)
        able = np.flatnonzero(
            (before.subject < 0) | np.isin(self.world.sort[np.maximum(before.subject, 0)], list(dept.mix("list_entry")))
        )
        if cause.kind == "penalty":
            able = able[before.subject[able] >= 0]
        if not len(able):
            return events
        room = np.searchsorted(before.ready[able], events.day - 15, "left")
        chosen = able[(rng.random(len(events)) * room).astype(np.int64).clip(0, len(able) - 1)]
        found = room > 0
        subject = np.where(found, before.subject[chosen], events.subject)
        if cause.kind == "penalty":
            return replace(events, subject=subject)
        case = {
            name: np.where(found, getattr(before, name)[chosen], getattr(events, name))
            for name in ("authority", "serial", "year")
        }
        kept = np.sort(np.unique(np.where(found, chosen, -1 - np.arange(len(events))), return_index=True)[1])
        return replace(events, subject=subject, **case).take(kept)

    def _several_parties(self, events: Events, share: float, rng: np.random.Generator) -> Events:
        """One decision on several parties: the next rows take number, day and authority of the row before."""
        follow = np.flatnonzero((rng.random(len(events)) < share) & (np.arange(len(events)) > 0))
        follow = follow[(follow % 2) == 1]
        changed = {name: getattr(events, name).copy() for name in ("serial", "day", "year", "authority", "salt")}
        for column in changed.values():
            column[follow] = column[follow - 1]
        other = events.subject[follow] != events.subject[follow - 1]
        subject = events.subject.copy()
        spare = self.world.old_members["e"]
        subject[follow[~other]] = spare[rng.integers(0, len(spare), int((~other).sum()))]
        return replace(events, subject=subject, **changed)

    @cached_property
    def baseline_entities(self) -> dict[str, Ints]:
        """Entities of each register's first delivery: all that exist on the baseline day, or head offices elsewhere."""
        w = self.world
        here = np.arange(len(w)) < w.count
        return {
            "sjgj": np.flatnonzero(here & np.isin(w.sort, list("ehcb"))),
            "mzj": np.flatnonzero(here & (w.sort == "s")),
            "x_bianban": np.flatnonzero(here & (w.sort == "i")),
            "x_gsxt": np.arange(len(words.HEAD_OFFICES)) + HEADS,
        }

    def arrears(self, feed: Feed, day: int) -> tuple[Ints, Ints, Ints, Ints]:
        """Who owes on a day: subject, first day of the debt, number of the debt, salt; a debt ends when it is paid."""
        dept = departments()[feed.dept]
        size = max(8, round(dept.texts["arrears"]["size"] * self.scale))
        mean = 150
        lots = []
        for year in range(self.planning_year(day) - 2, self.planning_year(day) + 1):
            rng = self.rng("arrears", feed.id, year)
            first, _ = self.window(year)
            n = max(4, round(size * 365 / mean))
            start = first + rng.integers(0, 365, n)
            end = start + rng.exponential(mean, n).astype(np.int64) + 7
            subject = self._subjects(dept, feed, start, rng)
            salt = rng.integers(0, 1 << 31, n)
            number = np.arange(n) + 1 + (year & 3) * 10 ** len(str(n))
            open_ = np.flatnonzero((start <= day) & (day < end))
            lots.append((subject[open_], start[open_], number[open_], salt[open_]))
        return (*(np.concatenate([lot[i] for lot in lots]) for i in range(4)),)  # type: ignore[return-value]
