"""Deliveries and the ledger: the same bytes always, everything injected is written down and found where it says."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
from collections import Counter
from pathlib import Path

import pytest

from sandbox import days
from sandbox.deliver import deliver, due
from sandbox.description import departments, layouts
from sandbox.faults import SPOILERS
from sandbox.formats import headings
from sandbox.records import PLACEHOLDER
from sandbox.store import Seed, Store
from tests.sandbox.conftest import FIRST_NIGHT, LATER, City, build
from tests.sandbox.test_world import resident_no_is_valid, uscc_is_valid

SMALL = Seed(seed=5, scale=0.003)


def bytes_of(home: Path) -> dict[str, str]:
    """Digest of everything that departments sent and of the truth."""
    found = {}
    for folder in ("sftp", "drop", "spool", "api", "truth"):
        for path in sorted((home / folder).rglob("*")):
            if path.is_file():
                found[str(path.relative_to(home))] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    one = build(tmp_path / "one", SMALL, FIRST_NIGHT)
    two = build(tmp_path / "two", SMALL, FIRST_NIGHT)
    assert bytes_of(one.home) == bytes_of(two.home)
    assert len(bytes_of(one.home)) > 300


def test_day_by_day_is_the_same_as_all_at_once(tmp_path: Path) -> None:
    stepwise = build(tmp_path / "one", SMALL, *(FIRST_NIGHT + dt.timedelta(days=k) for k in range(6)))
    at_once = build(tmp_path / "two", SMALL, FIRST_NIGHT + dt.timedelta(days=5))
    assert bytes_of(stepwise.home) == bytes_of(at_once.home)


def test_delivering_a_day_again_changes_nothing(tmp_path: Path) -> None:
    made = build(tmp_path, SMALL, FIRST_NIGHT)
    before = bytes_of(made.home)
    assert deliver(made.home, FIRST_NIGHT) == {"days": 0, "deliveries": 0, "rows": 0}
    assert bytes_of(made.home) == before


def test_a_killed_delivery_is_made_again_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = build(tmp_path / "whole", SMALL, FIRST_NIGHT)
    killed = tmp_path / "killed"
    kept = Store.keep

    def keep_until_the_end(self: Store, name: str, state: object) -> None:
        if name == "stj.inspection":
            raise KeyboardInterrupt
        kept(self, name, state)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(Store, "keep", keep_until_the_end)
        with pytest.raises(KeyboardInterrupt):
            build(killed, SMALL, FIRST_NIGHT)
    deliver(killed, FIRST_NIGHT)
    assert bytes_of(killed) == bytes_of(whole.home)


def test_another_seed_in_the_same_home_is_refused(tmp_path: Path) -> None:
    build(tmp_path, SMALL)
    with pytest.raises(ValueError, match="was seeded with"):
        Store(tmp_path).plant(Seed(seed=6, scale=0.003))


def test_every_delivery_holds_what_the_ledger_says(city: City) -> None:
    deliveries = city.truth("deliveries")
    assert len(deliveries) > 200
    for delivery in deliveries:
        assert len(city.rows(delivery)) == int(delivery["rows"]), delivery["delivery"]


def test_the_control_file_says_rows_and_sha256(city: City) -> None:
    for delivery in city.truth("deliveries"):
        if delivery["channel"] != "sftp":
            continue
        path = city.home / "sftp" / delivery["department"] / delivery["feed"] / delivery["delivery"]
        control = json.loads(path.with_suffix(".ok").read_text())
        assert control == {"rows": int(delivery["rows"]), "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


def test_every_type_of_fault_occurs_on_the_first_night(city: City) -> None:
    injected = {f["fault"] for f in city.truth("faults")}
    assert set(SPOILERS) - injected <= {"person_role_unknown"}
    assert {"exact_duplicate", "same_key_other_content", "document_no_reused", "out_of_scope", "extra_cell"} <= injected


def test_faults_stay_below_what_would_hold_a_batch(city: City) -> None:
    rejected = Counter(f["delivery"] for f in city.truth("faults") if f["expected"] == "reject")
    for delivery in city.truth("deliveries"):
        share = rejected[delivery["delivery"]] / int(delivery["rows"])
        assert share <= 0.2 or rejected[delivery["delivery"]] < 20, delivery


def code_of(kind: str, field: str, delivery: dict[str, str]) -> str:
    """The heading under which a field travels in a delivery."""
    dept = departments()[delivery["department"]]
    feed = dept.feeds[kind]
    if feed.layout == "2015":
        from sandbox.description import old_layout

        return dict(old_layout(kind))[field]
    names = [c.name for c in layouts()[kind]]
    return headings(dept, feed, False)[names.index(field)].upper()


def test_a_fault_is_where_the_ledger_says(city: City) -> None:
    deliveries = {d["delivery"]: d for d in city.truth("deliveries")}
    looks_wrong = {
        "uscc_check_digit": lambda v: not uscc_is_valid(v),
        "uscc_length": lambda v: len(v) != 18,
        "uscc_zeros": lambda v: v == "0" * 18,
        "uscc_confusable_known": lambda v: "O" in v or "I" in v,
        "mandatory_missing": lambda v: not v.strip(),
        "markup_in_name": lambda v: "<" in v,
        "replacement_character": lambda v: "\ufffd" in v,
        "star_in_name": lambda v: "*" in v,
        "one_character_name": lambda v: len(v) == 1,
        "person_id_check": lambda v: not resident_no_is_valid(v),
        "fine_without_amount": lambda v: v == "",
        "fine_in_yuan": lambda v: float(v) > 10_000,
        "decision_in_future": lambda v: v > "2026/12",
        "severity_missing": lambda v: v == "",
        "validity_blank": lambda v: v == "",
        "negative_amount": lambda v: v.startswith("-"),
    }
    looks_wrong["uscc_masked"] = lambda v: "*" in v
    looks_wrong["columns_swapped"] = lambda v: not v.isascii()
    cache: dict[str, dict[str, dict[str, str]]] = {}
    seen: Counter[str] = Counter()
    for fault in city.truth("faults"):
        if fault["fault"] not in looks_wrong:
            continue
        delivery = deliveries[fault["delivery"]]
        rows = cache.setdefault(fault["delivery"], city.rows(delivery))
        row = {k.upper(): v for k, v in rows[fault["row_no"]].items()}
        value = row[code_of(fault["feed"], fault["field"], delivery)] or ""
        assert looks_wrong[fault["fault"]](value), (fault, value)
        seen[fault["fault"]] += 1
    assert set(seen) == set(looks_wrong)


def test_sequence_numbers_in_the_ledger_are_those_delivered(city: City) -> None:
    deliveries = {d["delivery"]: d for d in city.truth("deliveries")}
    checked = 0
    for fault in city.truth("faults"):
        if fault["seq"] and checked < 60:
            assert city.rows(deliveries[fault["delivery"]])[fault["row_no"]]["_SEQ"] == fault["seq"]
            checked += 1
    assert checked == 60


def test_at_least_five_in_a_hundred_clean_rows_are_near_misses(city: City) -> None:
    rows = sum(int(d["rows"]) for d in city.truth("deliveries"))
    faulty = {(f["delivery"], f["row_no"]) for f in city.truth("faults")}
    near = {(n["delivery"], n["row_no"]) for n in city.truth("near_misses")}
    assert not near & faulty
    assert len(near) >= 0.05 * (rows - len(faulty))
    traits = {t for n in city.truth("near_misses") for t in n["traits"].split("+")}
    assert {
        "n_code",
        "long_term",
        "short_name",
        "placeholder_right",
        "code_typed_oddly",
        "bracket_variant",
        "slash_in_basis",
        "date_style",
        "code_in_text",
        "category_other_named",
    } <= traits


def test_clean_permit_codes_are_valid(city: City) -> None:
    faulty = {(f["delivery"], f["row_no"]) for f in city.truth("faults")}
    odd = {(n["delivery"], n["row_no"]) for n in city.truth("near_misses")}
    for delivery in city.truth("deliveries"):
        if delivery["feed"] == "permit" and departments()[delivery["department"]].layout == "2018":
            code = code_of("permit", "counterparty_uscc", delivery)
            for row_no, row in city.rows(delivery).items():
                place = (delivery["delivery"], row_no)
                value = {k.upper(): v for k, v in row.items()}[code] or ""
                if value not in ("", PLACEHOLDER) and place not in faulty and place not in odd:
                    assert uscc_is_valid(value), (place, value)


def test_penalties_are_on_registered_subjects(city: City) -> None:
    known = {s["subject"]: s for s in city.truth("subjects")}
    for path in (city.home / "truth" / "row_subjects").glob("*/penalty/*.csv"):
        for line in path.read_text().splitlines()[1:]:
            subject = line.split(",")[1]
            assert subject[0] in "PX" or subject in known, (path, line)


def test_repairs_follow_delivered_penalties(city: City) -> None:
    penalties = set()
    for delivery in city.truth("deliveries"):
        if delivery["feed"] == "penalty" and departments()[delivery["department"]].layout == "2018":
            code = code_of("penalty", "decision_document_no", delivery)
            penalties |= {
                re.sub(
                    r"[【\[(（﹝]", "〔", re.sub(r"[】\])）﹞]", "〕", {k.upper(): v for k, v in r.items()}[code] or "")
                )
                for r in city.rows(delivery).values()
            }
    repairs = next(d for d in city.truth("deliveries") if (d["department"], d["feed"]) == ("x_creditchina", "repair"))
    targets = [r["BXF_WH"] for r in city.rows(repairs).values()]
    assert len(targets) >= 8
    found = sum(t in penalties for t in targets)
    assert found >= len(targets) - 2  # a fault may have spoiled a number


def test_no_resident_number_is_in_the_ledger(city: City) -> None:
    for path in (city.home / "truth").rglob("*"):
        if path.is_file() and "row_subjects" not in path.parts:
            found = [
                n
                for n in re.findall(r"(?<![0-9A-Z])[1-9]\d{16}[\dX](?![0-9A-Z])", path.read_text("utf-8"))
                if resident_no_is_valid(n) and n[14:17] <= "009"
            ]
            codes = {s["uscc"] for s in city.truth("subjects")}
            assert not [n for n in found if n not in codes], path.name


def test_rows_outside_our_business_are_counted_apart(city: City) -> None:
    apart = Counter(f["department"] for f in city.truth("faults") if f["expected"] == "out_of_scope")
    assert set(apart) == {"hgj", "ybj", "gjj"}
    assert min(apart.values()) >= 2


def test_forbidden_columns_come_along(city: City) -> None:
    deliveries = {(d["department"], d["feed"]): d for d in city.truth("deliveries")}
    assert "民族" in next(iter(city.rows(deliveries["gaj", "penalty"]).values()))
    assert "既往病史" in next(iter(city.rows(deliveries["wjj", "inspection"]).values()))


def test_a_week_later_there_is_more_and_faulty_rows_come_back_right(week: City) -> None:
    later = [d for d in week.truth("deliveries") if d["day"] > FIRST_NIGHT.isoformat()]
    assert {d["day"] for d in later} >= {"2026-11-23", "2026-11-24", LATER.isoformat()}
    documents = {
        (f["department"], f["feed"], f["document_no"])
        for f in week.truth("faults")
        if f["expected"] == "reject" and f["document_no"]
    }
    corrected = 0
    for delivery in later:
        if delivery["feed"] not in ("permit", "penalty") or delivery["channel"] != "frontend_db":
            continue
        code = code_of(delivery["feed"], "decision_document_no", delivery)
        corrected += sum(
            r["_OP"] == "U" and (delivery["department"], delivery["feed"], r[code]) in documents
            for r in week.rows(delivery).values()
        )
    assert corrected >= 10


def test_what_is_sent_word_for_word_again_is_in_the_ledger(week: City) -> None:
    """A change or withdrawal says something new; the same once more is a duplicate, and the ledger must know it."""
    written_down = {(f["department"], f["delivery"], f["row_no"]) for f in week.truth("faults")}
    resent = {(b["department"], b["delivery"]) for b in week.truth("batches")}
    seen: set[tuple[object, ...]] = set()
    unknown = []
    for delivery in sorted(week.truth("deliveries"), key=lambda d: (d["day"], d["delivery"])):
        department, feed, name = delivery["department"], delivery["feed"], delivery["delivery"]
        if feed in ("arrears", "registration", "zero_declaration") or (department, name) in resent:
            continue
        for number, row in week.rows(delivery).items():
            words = tuple(sorted((k, str(v)) for k, v in row.items() if k not in ("_SEQ", "_UPDATED_AT", "GXSJ") and v))
            if (department, feed, words) in seen and (department, name, number) not in written_down:
                unknown.append((name, number))
            seen.add((department, feed, words))
    assert seen
    assert unknown == []


def test_on_every_working_day_every_daily_department_sends(week: City) -> None:
    sent = {(d["department"], d["day"]) for d in week.truth("deliveries")}
    for dept in departments().values():
        if dept.cadence == "daily" and not dept.external:
            for day in ("2026-11-23", "2026-11-24", "2026-11-25", "2026-11-26", "2026-11-27"):
                assert (dept.code, day) in sent


def test_who_paid_vanishes_from_the_next_snapshot(week: City) -> None:
    snapshots = [d for d in week.truth("deliveries") if (d["department"], d["feed"]) == ("swj", "arrears")]
    assert len(snapshots) == 2
    before, after = ({(r["ZT_MC"], r["SZ"], r["SSQ"]) for r in week.rows(s).values()} for s in snapshots)
    assert before - after
    assert before & after


def test_planned_faults_of_whole_deliveries_happen_and_heal(week: City) -> None:
    happened = {b["fault"]: b for b in week.truth("batches")}
    assert {"ok_missing", "wrong_control_total", "truncated", "wrong_sha256", "extra_column", "header_moved"} <= set(
        happened
    )
    sizes = {d["delivery"]: int(d["rows"]) for d in week.truth("deliveries")}
    wrong = happened["wrong_control_total"]
    control = week.home / "sftp" / wrong["department"] / wrong["feed"] / wrong["delivery"]
    assert json.loads(control.with_suffix(".ok").read_text())["rows"] == sizes[wrong["delivery"]] + 7
    late = happened["ok_missing"]
    assert late["healed_by"] == late["delivery"]
    assert (week.home / "sftp" / late["department"] / late["feed"] / late["delivery"]).with_suffix(".ok").exists()
    cut = happened["truncated"]
    folder = week.home / "sftp" / cut["department"] / cut["feed"]
    assert len((folder / cut["delivery"]).read_bytes()) < len((folder / cut["healed_by"]).read_bytes())


def test_months_whose_zero_declaration_is_forgotten_are_in_the_ledger_and_never_declared(week: City) -> None:
    forgotten = {
        (b["department"], b["feed"], b["delivery"])
        for b in week.truth("batches")
        if b["fault"] == "zero_declaration_forgotten"
    }
    declared = {
        (d["department"], row["信息类型"], row["所属期"])
        for d in week.truth("deliveries")
        if (d["department"], d["feed"]) == ("kjj", "zero_declaration")
        for row in week.rows(d).values()
    }
    assert {department for department, _, _ in forgotten} == {"kjj"}
    assert declared, "and some are declared"
    assert not forgotten & declared


@pytest.mark.parametrize(
    ("cadence", "day", "expected"),
    [
        ("hourly", "2026-11-21", True),
        ("daily", "2026-11-21", False),
        ("weekly", "2026-11-27", True),
        ("weekly", "2026-11-26", False),
        ("weekly", "2026-10-08", True),  # the Friday before lies in the holiday
        ("monthly", "2026-11-25", True),
        ("monthly", "2026-11-26", False),
        ("quarterly", "2026-12-25", True),
        ("quarterly", "2026-11-25", False),
        ("yearly", "2026-12-25", True),
    ],
)
def test_rhythms(cadence: str, day: str, expected: bool) -> None:
    assert due(cadence, days.number(dt.date.fromisoformat(day))) is expected
