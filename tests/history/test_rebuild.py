"""An empty server, the archive and the keys: the rebuilt warehouse publishes the same, build by build, digest by digest.

The same nights show that deliveries may come late and in any order: the newest version stands.
"""

from __future__ import annotations

import datetime as dt
import itertools
import json
import re
import shutil
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from creditflow import warehouse
from creditflow.decisions import Decision, decide
from creditflow.ops import journal, keys, restated, retention
from creditflow.ops.database import transaction
from creditflow.ops.journal import Entry, JournalError
from creditflow.quality import gate, refuse, release
from creditflow.quality.produced import declare_produced
from creditflow.rebuild import RebuildError, rebuild
from creditflow.replay import ReplayError, accept, propose, withdraw
from creditflow.settings import Settings
from creditflow.warehouse import dbt
from tests.conftest import PROJECT
from tests.dbt.landed import uscc
from tests.history.conftest import FAULT, FIRST, NEXT, City, penalty, permit

pytestmark = pytest.mark.history
OLD = {"decision_date": "2021/10/01", "publicity_end_date": "2022/10/01"}
"""A penalty that is past its legal period on the second night."""
DAYS = [dt.date(2026, 11, day) for day in (6, 7, 8)]
CHANGED_BACK = 3000
STORIES = {2000: ("2", "60", "5"), CHANGED_BACK: ("2", "60", "2")}
"""The fine of one penalty in three versions, delivered on three days; the last is the truth: changed twice; changed and changed back."""
ORDERS = list(itertools.product(range(2), repeat=3))
"""In which of the two nights each of the versions arrives: every way, one firm (the story's number + place) each."""


TOLD_OF_ARRIVAL = {
    "batch_id": "the delivery that brought the version: its day and its place among that day's deliveries",
    "row_no": "the place of the row in that delivery",
    "received_at": "when that delivery reached us",
    "build_no": "the first build that knew the version",
    "data_cutoff": "the newest delivery known when the firm was scored; an equal score later opens no new version",
}
"""Published columns that differ lawfully with the order of arrival, and why."""
TOLD_WHEN_CHANGED_BACK = {
    "delivered_on": "the day of the delivery that brought the version: one that says again what stands opens no new version",
}
"""The same of a record that was changed and changed back between two builds: readers never saw the change."""


def arrivals(city: City, night: int) -> None:
    """What arrives in this night for the firms whose deliveries are late or out of order."""
    for version, day in enumerate(DAYS):
        arriving = [place for place, order in enumerate(ORDERS) if order[version] == night]
        told = [(story + place, fines[version]) for story, fines in STORIES.items() for place in arriving]
        city.hand_in(day, "penalty", [penalty(n, n, fine_amount_wan=fine) for n, fine in told])
        city.hand_in(day, "permit", [permit(n, n, permit_content=f"{fine}版") for n, fine in told])


@pytest.fixture(scope="module")
def city(make_settings: Callable[..., Settings], tmp_path_factory: pytest.TempPathFactory) -> City:
    """Two nights with faults, corrections, decisions by people, a deletion by law, new keys, a new rule and a rollback."""
    city = City.found(make_settings("original"), tmp_path_factory.mktemp("deliveries"))
    dogs = [permit(n, 4, permit_content="养犬登记") for n in (7, 71)]
    certificate = permit(8, 4, permit_content="旧证换发")
    city.hand_in(FIRST, "permit", [*(permit(n, n) for n in range(1, 6)), permit(6, 6, **FAULT), *dogs, certificate])
    city.hand_in(FIRST, "penalty", [penalty(1, 1), penalty(2, 2), penalty(9, 5, **OLD)])
    held = city.hand_in(FIRST, "permit", [permit(100 + n, 3, **(FAULT if n < 20 else {})) for n in range(30)])
    turned_down = city.hand_in(FIRST, "permit", [permit(200 + n, 4, **(FAULT if n < 20 else {})) for n in range(25)])
    arrivals(city, 0)
    hold = retention.hold(city.settings, reason="诉讼 / lawsuit", by="王经办", on=FIRST)
    first = city.night(FIRST)
    assert city.query("select count(*) from ops.batch where state = 'held'") == [(2,)]

    release(city.settings, city.registry, held, "已核实 / checked", "王经办")
    refuse(city.settings, turned_down, "重复报送 / sent twice", "王经办")
    about = Decision(
        "repair", "核查确认", "王经办", NEXT, target_kind="penalty", target_document_no="汕科罚〔2026〕1号"
    )
    decide(city.settings, city.registry, about, NEXT)
    declare_produced(
        city.settings, city.registry, "kjj", "permit", dt.date(2026, 10, 1), 4,
        reason="月报1号", decided_by="王经办", as_of=NEXT,
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:  # a build that is given up before anybody saw it
        patch.setattr(dbt, "run", lambda *_, **__: dbt.DbtResult(0, 0, 0, (), {}))
        warehouse.build(city.settings, NEXT)
    assert retention.lift(city.settings, hold, by="王经办", on=NEXT)
    keys.rotate(city.settings)
    city.settings = replace(city.settings)  # the next process reads the new keys
    assert retention.delete(city.settings, NEXT)["records"] == 1

    city.hand_in(NEXT, "permit", [permit(6, 6), permit(1, 1, permit_content="更正后的内容")])
    city.hand_in(NEXT, "penalty", [penalty(2, 2), penalty(1, 1, fine_amount_wan="60"), penalty(9, 5, **OLD)])
    arrivals(city, 1)
    change_a_rule(city, tmp_path_factory.mktemp("changed"))
    second = replayed(city)
    assert city.run("rollback", "--reason", "核查 / to be checked", "--by", "李复核")["build"] == first < second
    return city


def change_a_rule(city: City, folder: Path) -> None:
    """From now on registering a dog is credit information, and exchanging an old certificate is none."""
    for room in ("sources", "expectations"):
        shutil.copytree(PROJECT / room, folder / room)
    (folder / "dbt_project").symlink_to(PROJECT / "dbt_project")
    rules = folder / "expectations" / "kinds" / "permit.yml"
    text = rules.read_text(encoding="utf-8")
    assert "|养犬登记|" in text
    rules.write_text(text.replace("|养犬登记|", "|旧证换发|"), encoding="utf-8")
    city.settings = replace(city.settings, project=folder)


AS_JUDGED = (
    "select * from landing.permit order by batch_id, row_no",
    "select * from ops.batch order by batch_id",
    "select * from quality.row_verdict order by 1, 2, 4",
    "select * from quality.rule_result order by 1, 2",
    "select * from quality.incident order by 1",
    "select * from quality.register order by 1",
    "select * from quality.restated_row order by 1, 2",
)
Judged = list[list[tuple[Any, ...]]]


def as_judged(city: City, but_for: Collection[str] = ()) -> Judged:
    """What landing and gate hold; without what the deliveries `but_for` said about rows of others."""
    with transaction(city.settings, "look") as conn, conn.cursor() as cursor:
        restated.take_back(conn, sorted(but_for))
        found = []
        for statement in AS_JUDGED:
            cursor.execute(statement)
            found.append(cursor.fetchall())
        conn.rollback()
        return found


def trial(city: City, day: dt.date) -> int:
    """The deliveries of a day interpreted again, and a build that took no time; its number."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dbt, "run", lambda *_, **__: dbt.DbtResult(0, 0, 0, (), {}))
        return propose(city.settings, city.registry, day, day, "试算 / a trial", "王经办", "kjj").build_no


def replayed(city: City) -> int:
    """The first night read again with the changed rule: twice given up, once accepted with what came since; the build's number."""
    fresh = {batch_id for (batch_id,) in city.query("select batch_id from ops.batch where state = 'landed'")}

    def judged() -> Judged:
        return [[row for row in rows if not fresh & {str(cell) for cell in row}] for rows in as_judged(city, fresh)]

    def tried() -> int:
        proposed = trial(city, FIRST)
        assert judged() != before
        return proposed

    before = judged()
    proposed = tried()
    assert warehouse.publish(city.settings) != proposed, "a proposal is not published unless it is named"
    gate(city.settings, city.registry)
    assert judged() == before, "other deliveries are compared with what stands: the trial is withdrawn, exactly"
    with pytest.raises(ReplayError, match="no replay waits"):
        accept(city.settings, city.registry, "李复核")

    tried()
    assert city.run("replay", "withdraw", "--by", "李复核") == {"withdrawn": True}
    assert judged() == before, "given up by a person: what stood before stands, exactly"
    with pytest.raises(ReplayError, match="no replay waits"):
        accept(city.settings, city.registry, "李复核")

    reason = "规则调整 / the rule changed"
    interrupted(replace(city, settings=replace(city.settings, project=PROJECT)), reason, deliveries=2)
    interrupted(city, reason, deliveries=1)
    span = ("--from", f"{FIRST}", "--to", f"{FIRST}", "--department", "kjj")
    found = city.replayed = city.run("replay", *span, "--reason", reason, "--by", "王经办")
    assert found["resumed_at"] == 1 < found["deliveries"], "what was landed by other rules is landed again"
    (differs,) = found["batches"]
    assert (differs["before"]["rows_accepted"], differs["after"]["rows_accepted"]) == (6, 7)
    assert city.query("select build_no from ops.pointer") == [(found["published"],)]
    assert city.run("replay", "accept", "--by", "李复核") == {"build": found["build_no"]}
    return int(found["build_no"])


def interrupted(city: City, reason: str, *, deliveries: int) -> None:
    """The same replay, stopped when so many deliveries have landed."""
    told: list[tuple[float, float]] = []

    def stop(step: str, done: float, of: float) -> None:
        told.append((done, of))
        if len(told) > deliveries:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        propose(city.settings, city.registry, FIRST, FIRST, reason, "王经办", "kjj", stop)
    assert told == sorted(told)
    assert 0 == told[0][0] < told[-1][0] < told[-1][1], "how much is done is told as it goes on"


def test_a_replay_tells_its_difference_before_it_is_seen(city: City) -> None:
    told = city.replayed["difference"]["records"]
    assert told["permit"] == {"added": 15, "removed": 1, "changed": 6}, (
        "7号, 71号, 6号, the 10 released and the firms all of whose versions came late; 8号;"
        " 1号 and the firms of which another version stands than before"
    )
    assert told["penalty"]["removed"] == 1, "1号 is repaired as soon as the replay is accepted"
    after = city.run("diff", str(city.replayed["published"]), str(city.replayed["build_no"]))
    assert after["records"]["permit"] == told["permit"]
    assert after["records"]["penalty"]["removed"] == 0, "what is suppressed since is in neither build"


def test_a_replay_is_one_new_build_and_older_ones_stay_as_they_were(city: City) -> None:
    look = (
        "select publish.look_at({}); select decision_document_no from publish.permit"
        " where decision_document_no ~ '〕[78]号' order by 1"
    )
    assert city.query(look.format(city.replayed["build_no"])) == [("汕科许〔2026〕7号",)]
    assert city.query(look.format(1)) == [("汕科许〔2026〕8号",)]


def copy_of(city: City, settings: Settings) -> tuple[City, Path]:
    """The city on an empty database, with a copy of the archive of its own."""
    folder = settings.home / "archive"
    shutil.copytree(Path(city.settings.archive_url.removeprefix("file://")), folder)
    return replace(city, settings=replace(settings, archive_url=f"file://{folder}")), folder


@pytest.fixture(scope="module")
def rebuilt(city: City, make_settings: Callable[..., Settings]) -> City:
    """The same again on an empty server, stopped once half way."""
    again, _ = copy_of(city, make_settings("rebuilt", city.settings))

    def stop_half_way(done: int, entries: int, entry: Entry) -> None:
        if done == entries // 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rebuild(again.settings, stop_half_way)
    with pytest.raises(JournalError, match="being rebuilt"):
        retention.hold(again.settings, reason="不合时宜 / out of turn", by="王经办", on=FIRST)
    summary = again.run("rebuild")
    assert summary["resumed_at"] == summary["entries"] // 2
    assert (summary["builds"], summary["builds_skipped"], summary["not_landed"]) == (2, 3, [])
    return again


def test_every_build_has_the_same_digests(city: City, rebuilt: City) -> None:
    numbers = [
        number for (number,) in city.query("select build_no from ops.build where state = 'published' order by 1")
    ]
    assert len(numbers) == 2
    for number in numbers:
        there, here = warehouse.digest(city.settings, number), warehouse.digest(rebuilt.settings, number)
        assert len(there) > 20
        assert {view for view in there if there[view] != here[view]} == set(), number
    assert warehouse.digest(rebuilt.settings) == warehouse.digest(city.settings), "as readers see it after the rollback"


@pytest.mark.parametrize(
    "statement",
    [
        "select build_no, as_of from ops.pointer",
        "select batch_id, state, reasons, rows_read, rows_accepted, rows_rejected, rows_held, watermark from ops.batch order by 1",
        "select * from ops.event order by event_id",
        "select build_no, as_of, state, reason, code_hash, batches from ops.build order by 1",
        "select * from ops.build_batch order by 1, 2",
        "select state, reason, proposed_by, decided_by, build_no, batches from ops.replay order by proposed_at",
        "select * from ops.suppression order by 1",
        "select * from ops.legal_hold order by 1",
        "select record_id, table_name, rule_id, as_of, rows_deleted from ops.deletion order by 1, 2",
        "select as_of, department, state, detail_zh from ops.arrival order by 1, 2",
        "select * from quality.row_verdict order by 1, 2, 4",
        "select * from quality.issue order by 1",
        "select * from quality.issue_event order by 1, 2, 3",
        "select * from quality.department_day order by 1, 2",
        "select seq, entry_type, body from ops.journal order by 1",
    ],
)
def test_what_was_done_and_what_people_decided_is_the_same(city: City, rebuilt: City, statement: str) -> None:
    found = city.query(statement)
    assert found
    assert rebuilt.query(statement) == found


def test_the_newest_version_is_the_truth_in_whatever_order_they_came(city: City) -> None:
    look = "select distinct {} from publish.{} where decision_document_no ~ '〕{}[0-9]{{2}}号'"
    city.run("publish", str(city.replayed["build_no"]))
    for story, fine in (("20", 5), ("30", 2)):
        assert city.query(look.format("fine_amount_yuan", "penalty", story)) == [(fine * 10000,)]
        assert city.query(look.format("permit_content", "permit", story)) == [(f"{fine}版",)]


Shown = dict[str, list[dict[str, str]]]


def without(names: Collection[str], value: Any) -> Any:
    """A row, and the documents in it, without these columns."""
    if isinstance(value, dict):
        return {name: without(names, item) for name, item in value.items() if name not in names}
    return [without(names, item) for item in value] if isinstance(value, list) else value


@pytest.fixture(scope="module")
def by_order(city: City) -> dict[int, Shown]:
    """What every view shows of each of these firms, less what tells of arrival; its number, its codes and what is made from
    them are put aside."""
    numbers = [story + place for story in STORIES for place in range(len(ORDERS))]
    found: dict[int, Shown] = {number: {} for number in numbers}
    for (view,) in city.query("select viewname from pg_views where schemaname = 'publish' order by 1"):
        look = f"select publish.look_at({city.replayed['build_no']}); select to_jsonb(v) from publish.{view} v"
        rows = [row for (row,) in city.query(look)]
        for number in numbers:
            code = uscc(number)
            own = re.compile(f"{code}|{code[8:17]}|{number}|[0-9a-f]{{8}}-[0-9a-f-]{{27}}|[0-9a-f]{{32,64}}")
            about = [row for row in rows if re.search(f"{code}|〕{number}号", str(row))]
            of_arrival = {*TOLD_OF_ARRIVAL, *(TOLD_WHEN_CHANGED_BACK if number >= CHANGED_BACK else ())}
            told = [
                {name: own.sub("*", str(value)) for name, value in without(of_arrival, row).items()} for row in about
            ]
            if told:
                found[number][view] = sorted(told, key=str)
    return found


@pytest.mark.parametrize("story", STORIES)
@pytest.mark.parametrize("place", range(1, len(ORDERS)), ids=lambda place: str(ORDERS[place]))
def test_every_published_column_is_the_same_in_whatever_order_they_came(
    by_order: dict[int, Shown], story: int, place: int
) -> None:
    in_order, here = by_order[story], by_order[story + place]
    assert len(in_order) > 5
    assert {view: len(rows) for view, rows in here.items()} == {view: len(rows) for view, rows in in_order.items()}
    differing = {
        f"{view}.{name}: {one[name]} / {other[name]}"
        for view in in_order
        for one, other in zip(in_order[view], here[view], strict=True)
        for name in one
        if one[name] != other[name]
    }
    assert differing == set()


def test_a_row_that_a_late_delivery_shows_to_be_no_duplicate_lands_and_is_counted(city: City) -> None:
    """Changed and changed back, the change last: the row counts as accepted in its own delivery, whose sums still agree."""
    night = [place for place, order in enumerate(ORDERS) if (order[0], order[2]) == (0, 0) and order[1] == 1]
    found = city.query(
        "select r.because_of <> r.batch_id, count(*), bool_and(l.row_no is not null) from quality.restated_row r"
        " left join landing.penalty l using (batch_id, row_no, record_key) join ops.batch b using (batch_id)"
        " where b.kind = 'penalty' group by 1"
    )
    assert found == [(True, len(night), True)]
    counted = city.query(
        "select b.batch_id from ops.batch b left join landing.penalty l using (batch_id) where b.kind = 'penalty'"
        " and b.state in ('accepted', 'partly_accepted') group by 1 having count(l.row_no) <> b.rows_accepted"
    )
    assert counted == []


def test_a_rollback_has_its_reason_and_brings_nothing_suppressed_back(rebuilt: City) -> None:
    event = "select reason, decided_by from ops.event where event_type = 'rollback'"
    assert rebuilt.query(event) == [("核查 / to be checked", "李复核")]
    early = "select decision_document_no from publish.penalty where decision_document_no ~ '〕[0-9]号' order by 1"
    assert rebuilt.query("select build_no from ops.pointer") == [(1,)]
    assert rebuilt.query(early) == [("汕科罚〔2026〕2号",)], (
        "build 1 knew 1号 (repaired) and 9号 (deleted by law) as well"
    )


def test_a_rebuilt_warehouse_goes_on_from_there(city: City, rebuilt: City) -> None:
    last = rebuilt.query("select max(seq) from ops.journal")[0][0]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dbt, "run", lambda *_, **__: dbt.DbtResult(0, 0, 0, (), {}))
        number = warehouse.build(rebuilt.settings, NEXT).build_no
    assert city.query("select max(build_no) + 1 from ops.build") == [(number,)]
    assert [entry.seq for entry in journal.archived(rebuilt.settings)][last:] == [last + 1, last + 2]


def test_only_an_empty_warehouse_and_an_archive_with_a_journal_will_do(
    city: City, make_settings: Callable[..., Settings]
) -> None:
    with pytest.raises(RebuildError, match="not empty"):
        rebuild(city.settings)
    with pytest.raises(RebuildError, match="no journal"):
        rebuild(make_settings("nothing"))


def test_a_damaged_or_missing_delivery_is_named_and_stops_the_rebuild(
    city: City, make_settings: Callable[..., Settings]
) -> None:
    again, folder = copy_of(city, make_settings("damaged", city.settings))
    data = min(folder.glob("kjj/permit/*/*20261109-001/data.csv"))
    data.write_bytes(data.read_bytes().replace("普通".encode(), "特许".encode(), 1))
    with pytest.raises(RebuildError, match=rf"{data.relative_to(folder).as_posix()} is damaged \(SHA-256\)"):
        rebuild(again.settings)
    assert again.query("select done, finished from ops.rebuild") == [(0, False)]
    shutil.rmtree(data.parent)
    with pytest.raises(RebuildError, match=f"{data.parent.name} is not in the archive"):
        rebuild(again.settings)


def test_a_journal_with_a_damaged_or_missing_part_is_refused(
    city: City, make_settings: Callable[..., Settings]
) -> None:
    again, folder = copy_of(city, make_settings("gap", city.settings))
    files = sorted(folder.glob("_journal/*.json"))
    document = json.loads(files[1].read_text(encoding="utf-8"))
    document["entries"][0]["body"]["state"] = "refused"
    files[1].write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(JournalError, match=rf"{files[1].name} is damaged"):
        rebuild(again.settings)
    files[1].unlink()
    with pytest.raises(JournalError, match="is missing"):
        rebuild(again.settings)


def test_the_journal_of_another_warehouse_is_never_written_over(
    city: City, make_settings: Callable[..., Settings]
) -> None:
    stranger, folder = copy_of(city, make_settings("stranger", city.settings))
    files = {path: path.read_bytes() for path in folder.glob("_journal/*.json")}
    with pytest.raises(JournalError, match="not this database's"):
        retention.hold(stranger.settings, reason="x", by="王经办", on=FIRST)
    assert {path: path.read_bytes() for path in folder.glob("_journal/*.json")} == files


@pytest.mark.parametrize("day", DAYS)
def test_a_trial_of_deliveries_that_came_late_is_withdrawn_exactly(city: City, day: dt.date) -> None:
    """Of the change that came last, and of the rows before and after it."""
    before = as_judged(city)
    assert before[-1], "rows that a late delivery showed to be no duplicates"
    trial(city, day)
    during = as_judged(city)
    assert [row[:3] for row in during[0]] == [row[:3] for row in before[0]], "the same rules find the same"
    assert during != before, "deliveries were landed anew"
    assert withdraw(city.settings, "李复核")
    assert as_judged(city) == before
