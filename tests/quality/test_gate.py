"""The gate as a whole: counts that add up, holds, releases, repairs, and what never may happen."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from creditflow.quality import gate as gate_function
from creditflow.quality import refuse, release
from creditflow.quality.expectations import ExpectationProblem, Expected, Validator
from creditflow.quality.sweep import GateDecisionError, _Sweep
from tests.quality.conftest import on_project
from tests.quality.examples import ENDED_FIRM, PERSON, SHOP_ROW, WRONG_CHECK
from tests.quality.world import FIRM, FIRM_NAME, ORG_CODE, PLACEHOLDER, REG_NO, SHOP, Gatehouse, work_table

BAD = {"counterparty_name": "无"}
NUMBERS = "decision_document_no"


def permits(house: Gatehouse, count: int, **changes: Any) -> list[dict[str, Any]]:
    """Permits with numbers of their own."""
    return [
        house.clean("permit", "cgj", **{NUMBERS: f"汕测许〔2026〕{n}号", "@key": f"p{n}", **changes})
        for n in range(count)
    ]


def reconciles(batch: dict[str, Any]) -> bool:
    """Whether every row is accounted for once."""
    parts = ("rows_accepted", "rows_rejected", "rows_held", "rows_out_of_scope", "rows_duplicate")
    return bool(batch["rows_read"] == sum(batch[part] for part in parts))


def lines(house: Gatehouse, batch_id: str) -> dict[str, int]:
    """Lines of quality.row_verdict by verdict."""
    return dict(
        house.query("select verdict, count(*) from quality.row_verdict where batch_id = %s group by 1", batch_id)
    )


# --- reconciliation --------------------------------------------------------------------------------------------------


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kinds=st.lists(st.sampled_from(["good", "bad", "again", "elsewhere", "flagged"]), min_size=1, max_size=60))
def test_every_row_is_accounted_for_whatever_the_mixture(fresh: Gatehouse, kinds: list[str]) -> None:
    rows = []
    for number, kind in enumerate(kinds):
        row = fresh.clean("permit", "hgj", **{NUMBERS: f"汕关许〔2026〕{number}号", "@key": f"{number}"})
        if kind == "bad":
            row |= BAD
        elif kind == "elsewhere":
            row |= {"region_code": "445100"}
        elif kind == "flagged":
            row |= {"permit_category": "其他"}
        elif kind == "again" and rows:
            row = {**rows[-1], "@seq": number}
        rows.append(row)
    batch_id = fresh.deliver("permit", rows, "hgj")
    summary = fresh.judge(batch_id)
    batch = fresh.batch(batch_id)
    found = lines(fresh, batch_id)
    assert reconciles(batch), batch
    assert batch["rows_read"] == len(kinds)
    assert batch["rows_out_of_scope"] == found.get("out_of_scope", 0)
    assert batch["rows_duplicate"] == found.get("duplicate", 0)
    assert batch["rows_rejected"] == found.get("rejected", 0)
    assert batch["rows_held"] == found.get("held", 0)
    landed = fresh.query("select count(*) from landing.permit where batch_id = %s", batch_id)[0][0]
    assert landed == batch["rows_accepted"]
    assert summary.batches[0].rows_accepted == landed


def test_out_of_scope_rows_are_counted_apart_and_not_judged(fresh: Gatehouse) -> None:
    elsewhere = fresh.clean("permit", "hgj", region_code="445100", **BAD)
    batch_id = fresh.deliver("permit", [elsewhere, fresh.clean("permit", "hgj")], "hgj")
    fresh.judge()
    batch = fresh.batch(batch_id)
    assert (batch["rows_out_of_scope"], batch["rows_rejected"], batch["state"]) == (1, 0, "accepted")
    assert [list(found) for found in fresh.verdicts(batch_id).values()] == [["out_of_scope"]]


def test_the_same_content_again_is_a_duplicate_and_a_return_to_earlier_content_is_not(fresh: Gatehouse) -> None:
    first, second = {"remark": "甲"}, {"remark": "乙"}
    for place, (change, expected) in enumerate([(first, 0), (first, 1), (second, 0), (first, 0), (first, 1)]):
        row = fresh.clean(
            "permit", "cgj", **{"@key": "same", "@op": "U", "@at": datetime(2026, 11, 1 + place, tzinfo=UTC), **change}
        )
        batch_id = fresh.deliver("permit", [row], "cgj")
        fresh.judge()
        assert fresh.batch(batch_id)["rows_duplicate"] == expected, f"delivery {place}"


def test_rows_of_a_full_snapshot_are_never_duplicates_of_an_earlier_one(fresh: Gatehouse) -> None:
    rows = [fresh.clean("arrears", "rsj", **{"@key": f"a{n}", "amount_yuan": str(n)}) for n in range(3)]
    for day in (5, 6):
        batch_id = fresh.deliver(
            "arrears", rows, "rsj", delivery="full_snapshot", delivered_at=datetime(2026, 11, day, tzinfo=UTC)
        )
        fresh.judge()
        assert fresh.batch(batch_id)["rows_accepted"] == 3


# --- holds -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("good", "bad", "state"),
    [(80, 20, "partly_accepted"), (79, 20, "held"), (60, 19, "partly_accepted"), (0, 19, "partly_accepted")],
)
def test_a_batch_is_held_above_twenty_per_cent_and_from_twenty_rejected_rows(
    fresh: Gatehouse, good: int, bad: int, state: str
) -> None:
    rows = permits(fresh, good + bad)
    for row in rows[:bad]:
        row.update(BAD)
    batch_id = fresh.deliver("permit", rows, "cgj")
    fresh.judge()
    batch = fresh.batch(batch_id)
    assert batch["state"] == state
    assert reconciles(batch)
    assert batch["rows_held"] == (good if state == "held" else 0)
    landed = fresh.query("select count(*) from landing.permit")[0][0]
    assert landed == (0 if state == "held" else good)
    if state == "held":
        assert batch["reasons"][0]["code"] == "BATCH-TOO-MANY-REJECTED"


def test_a_wrong_control_total_holds_the_whole_batch(fresh: Gatehouse) -> None:
    batch_id = fresh.deliver("permit", permits(fresh, 3), "cgj", declared_rows=4)
    fresh.judge()
    batch = fresh.batch(batch_id)
    assert (batch["state"], batch["rows_held"]) == ("held", 3)
    assert batch["reasons"][0]["code"] == "BATCH-ROWS"
    assert lines(fresh, batch_id) == {"held": 3}


def test_a_snapshot_that_lost_half_of_its_rows_is_held(fresh: Gatehouse) -> None:
    for day, count, state in ((5, 10, "accepted"), (6, 4, "held"), (7, 5, "accepted")):
        rows = [fresh.clean("arrears", "rsj", **{"@key": f"a{n}"}) for n in range(count)]
        batch_id = fresh.deliver(
            "arrears", rows, "rsj", delivery="full_snapshot", delivered_at=datetime(2026, 11, day, tzinfo=UTC)
        )
        fresh.judge()
        assert fresh.batch(batch_id)["state"] == state, f"snapshot of {count}"


def test_a_secrecy_mark_holds_the_batch_of_the_cryptography_administration(fresh: Gatehouse) -> None:
    rows = [
        fresh.clean("inspection", "mmj", **{"@key": "1"}),
        fresh.clean("inspection", "mmj", problem_found="附机密级文件"),
    ]
    batch_id = fresh.deliver("inspection", rows, "mmj")
    fresh.judge()
    batch = fresh.batch(batch_id)
    assert (batch["state"], batch["rows_held"]) == ("held", 2)
    verdicts = fresh.verdicts(batch_id)
    assert verdicts[2] == {"held": ["BATCH-HELD"]}
    assert verdicts[3] == {"held": ["INSPECTION-D-SECRECY"]}


# --- people decide about held batches ----------------------------------------------------------------------------------


def held_batch(house: Gatehouse, monkeypatch: pytest.MonkeyPatch) -> str:
    """A held batch whose archive is imitated: landing again makes the same work table."""
    rows = permits(house, 30)
    for row in rows[:25]:
        row.update(BAD)
    batch_id = house.deliver("permit", rows, "cgj")
    house.judge()
    assert house.batch(batch_id)["state"] == "held"

    def land_again(*_: Any, overrule: bool = False, **__: Any) -> Any:
        house.query("delete from ops.batch where batch_id = %s", batch_id)
        house.deliver("permit", rows, "cgj", batch_id=batch_id)

        class Landed:
            state = "landed"

        return Landed()

    monkeypatch.setattr("creditflow.quality.sweep.land", land_again)
    return batch_id


def test_a_released_batch_takes_its_good_rows_in_and_keeps_its_rejects(
    fresh: Gatehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch_id = held_batch(fresh, monkeypatch)
    verdict = release(fresh.settings, fresh.registry, batch_id, "已电话核实", "测试员")
    assert (verdict.state, verdict.rows_accepted, verdict.rows_rejected) == ("partly_accepted", 5, 25)
    assert fresh.query("select event_type, reason, decided_by from ops.event") == [
        ("gate_release", "已电话核实", "测试员")
    ]
    assert lines(fresh, batch_id) == {"rejected": 25}


def test_a_refused_batch_is_rejected_row_by_row_and_nothing_lands(
    fresh: Gatehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch_id = held_batch(fresh, monkeypatch)
    refuse(fresh.settings, batch_id, "整批作废", "测试员")
    batch = fresh.batch(batch_id)
    assert (batch["state"], batch["rows_rejected"], batch["rows_held"]) == ("refused", 30, 0)
    assert reconciles(batch)
    assert lines(fresh, batch_id) == {"rejected": 30}
    assert fresh.query("select count(*) from landing.permit") == [(0,)]


def test_only_a_held_batch_can_be_decided_and_only_with_a_reason(fresh: Gatehouse) -> None:
    batch_id = fresh.deliver("permit", permits(fresh, 1), "cgj")
    fresh.judge()
    with pytest.raises(GateDecisionError, match="accepted"):
        release(fresh.settings, fresh.registry, batch_id, "理由", "测试员")
    with pytest.raises(GateDecisionError, match="reason"):
        refuse(fresh.settings, batch_id, " ", "测试员")
    assert fresh.query("select count(*) from ops.event") == [(0,)]


# --- Great Expectations decides ----------------------------------------------------------------------------------------


def test_deleting_an_expectation_deletes_its_verdict(fresh: Gatehouse, project: Path) -> None:
    rows = permits(fresh, 2)
    rows[1]["counterparty_uscc"] = WRONG_CHECK
    before = fresh.deliver("permit", rows, "cgj")
    fresh.judge()
    assert fresh.verdicts(before) == {3: {"rejected": ["PERMIT-R04-USCC"]}}

    file = project / "expectations" / "kinds" / "permit.yml"
    kept = [line for line in file.read_text(encoding="utf-8").splitlines() if "R04-USCC" not in line]
    file.write_text("\n".join(kept), encoding="utf-8")
    house = on_project(fresh, project)
    after = house.deliver(
        "permit", [{**row, "@key": f"again{n}"} for n, row in enumerate(rows)], "cgj", batch_id="CGJ-X-1"
    )
    house.judge()
    assert house.verdicts(after) == {}
    assert house.query(
        "select count(*) from quality.rule_result where batch_id = %s and rule_id like '%%R04%%'", after
    ) == [(0,)]


def test_a_rule_column_without_expectation_gives_no_outcome(fresh: Gatehouse) -> None:
    fresh.query("drop table if exists work.gate_try")
    fresh.query(
        "create table work.gate_try as select 'B' as batch_id, n as row_no, n > 3 as kept, n > 1 as forgotten,"
        " case when n > 2 then true end as silent from generate_series(1, 5) n"
    )
    validator = Validator(fresh.settings.warehouse_url)
    rules = [Expected("KEPT", "kept", "reject", {}), Expected("SILENT", "silent", "flag", {})]
    found = {outcome.rule_id: outcome for outcome in validator.validate("gate_try", rules, rows=5)}
    assert set(found) == {"KEPT", "SILENT"}
    assert sorted(found["KEPT"].rows) == [("B", 1), ("B", 2), ("B", 3)]
    assert (found["KEPT"].success, found["SILENT"].success, found["SILENT"].evaluated) == (False, True, 3)


def test_a_rule_that_cannot_be_evaluated_is_no_silent_pass(fresh: Gatehouse) -> None:
    fresh.query("drop table if exists work.gate_try")
    fresh.query(
        "create table work.gate_try as select 'B' as batch_id, n as row_no, true as kept from generate_series(1, 5) n"
    )
    rules = [Expected("KEPT", "kept", "reject", {}), Expected("GONE", "gone", "reject", {})]
    with pytest.raises(ExpectationProblem):
        list(Validator(fresh.settings.warehouse_url).validate("gate_try", rules, rows=5))


def test_verdicts_are_what_great_expectations_says(fresh: Gatehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    import creditflow.quality.expectations as expectations

    honest = expectations.outcome

    def lenient(result: Any) -> expectations.Outcome:
        found = honest(result)
        return (
            expectations.Outcome(found.rule_id, True, found.evaluated, ())
            if found.rule_id.endswith("R04-USCC")
            else found
        )

    monkeypatch.setattr(expectations, "outcome", lenient)
    rows = permits(fresh, 1, counterparty_uscc=WRONG_CHECK)
    batch_id = fresh.deliver("permit", rows, "cgj")
    fresh.judge()
    assert fresh.batch(batch_id)["state"] == "accepted"


def test_all_failing_rows_come_back_not_twenty_or_two_hundred(fresh: Gatehouse) -> None:
    rows = permits(fresh, 3000)
    for row in rows[:500]:
        row.update(BAD)
    batch_id = fresh.deliver("permit", rows, "cgj")
    fresh.judge()
    assert fresh.batch(batch_id)["rows_rejected"] == 500


def test_a_big_batch_is_validated_in_slices_with_the_same_verdicts(
    fresh: Gatehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("creditflow.quality.sweep.SLICE_ROWS", 7)
    rows = permits(fresh, 40)
    rows[0].update(BAD)
    rows[39].update(BAD)
    rows[20] |= {NUMBERS: rows[2][NUMBERS], "decision_date": "2026/10/09"}
    batch_id = fresh.deliver("permit", rows, "cgj")
    fresh.judge()
    assert fresh.verdicts(batch_id) == {
        2: {"rejected": ["PERMIT-R02-COUNTERPARTY_NAME"]},
        4: {"flagged": ["PERMIT-X-NUMBER"]},
        22: {"flagged": ["PERMIT-X-NUMBER"]},
        41: {"rejected": ["PERMIT-R02-COUNTERPARTY_NAME"]},
    }


# --- trouble inside the gate -------------------------------------------------------------------------------------------


def test_a_batch_that_fails_twice_is_held_and_stops_nobody_else(
    fresh: Gatehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = fresh.deliver("permit", permits(fresh, 2), "cgj")
    poisoned = fresh.deliver("permit", [fresh.clean("permit", "zjj")], "zjj")
    other = fresh.deliver("penalty", [fresh.clean("penalty", "cgj")], "cgj")
    honest = _Sweep._pass_over

    def breaks(self: _Sweep, kind: Any, rules: Any, piece: Any, *rest: Any, **more: Any) -> int:
        if any(batch["batch_id"] == poisoned for batch, _ in piece):
            raise RuntimeError("刘某 440000000000000000")
        return honest(self, kind, rules, piece, *rest, **more)

    monkeypatch.setattr(_Sweep, "_pass_over", breaks)
    summary = fresh.judge()
    states = {batch.batch_id: batch.state for batch in summary.batches}
    assert states == {good: "accepted", poisoned: "held", other: "accepted"}
    batch = fresh.batch(poisoned)
    assert (batch["gate_failures"], batch["rows_held"]) == (2, 1)
    assert batch["reasons"][-1]["code"] == "gate_error"
    assert "440000" not in json.dumps(batch["reasons"], ensure_ascii=False)


def test_an_emptied_work_table_lands_again_from_the_archive(fresh: Gatehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = permits(fresh, 3)
    batch_id = fresh.deliver("permit", rows, "cgj")
    fresh.query(f"truncate work.{work_table(batch_id)}")
    asked = []

    def land_again(*_: Any, **__: Any) -> None:
        asked.append(batch_id)
        fresh.query("delete from ops.batch where batch_id = %s", batch_id)
        fresh.deliver("permit", rows, "cgj", batch_id=batch_id)

    monkeypatch.setattr("creditflow.quality.sweep.land", land_again)
    fresh.judge()
    assert asked == [batch_id]
    assert fresh.batch(batch_id)["rows_accepted"] == 3


def test_a_second_sweep_finds_nothing_to_do(fresh: Gatehouse) -> None:
    batch_id = fresh.deliver("permit", permits(fresh, 2), "cgj")
    fresh.judge()
    assert gate_function(fresh.settings, fresh.registry).batches == ()
    assert fresh.query("select count(*) from landing.permit where batch_id = %s", batch_id) == [(2,)]


def test_a_faulty_rule_book_leaves_the_previous_one_in_force(fresh: Gatehouse, project: Path) -> None:
    house = on_project(fresh, project)
    house.judge(house.deliver("permit", permits(house, 1), "cgj"))
    file = project / "expectations" / "kinds" / "permit.yml"
    file.write_text(
        file.read_text(encoding="utf-8").replace("check: clean_text", "check: tidy_text", 1), encoding="utf-8"
    )
    batch_id = house.deliver("permit", permits(house, 1, **BAD, **{"@key": "other"}), "cgj")
    summary = house.judge(batch_id)
    assert len(summary.problems) == 1
    assert "kinds/permit.yml" in summary.problems[0]
    assert house.verdicts(batch_id) == {2: {"rejected": ["PERMIT-R02-COUNTERPARTY_NAME"]}}
    assert house.query("select count(*) from quality.incident where rule_id = 'RULEBOOK'") == [(1,)]
    shutil.rmtree(house.settings.home / "rulebook")


# --- identifiers -------------------------------------------------------------------------------------------------------


def register(house: Gatehouse) -> None:
    """The register knows the firm, through an accepted registration."""
    row = house.clean("registration", "sjgj", subject_uscc=FIRM, subject_name=FIRM_NAME)
    house.judge(house.deliver("registration", [row], "sjgj"))


def test_a_misread_code_is_repaired_only_when_the_register_knows_it_under_the_name(fresh: Gatehouse) -> None:
    register(fresh)
    misread = FIRM.replace("0", "O", 1)
    rows = permits(fresh, 2, counterparty_uscc=misread)
    rows[1]["counterparty_name"] = "汕头市另一测试有限公司"
    batch_id = fresh.deliver("permit", rows, "cgj")
    fresh.judge()
    assert fresh.verdicts(batch_id)[2] == {"flagged": ["PERMIT-ID-REPAIRED-COUNTERPARTY_USCC"]}
    assert fresh.verdicts(batch_id)[3] == {"rejected": ["PERMIT-R04-USCC"]}
    landed = fresh.query("select counterparty_uscc, changes ->> 'counterparty_uscc', flags from landing.permit")
    assert landed == [(FIRM, misread, ["PERMIT-ID-REPAIRED-COUNTERPARTY_USCC"])]
    suggestion = fresh.query("select suggestion from quality.row_verdict where row_no = 3 and batch_id = %s", batch_id)
    assert suggestion == [({"field": "counterparty_uscc", "value": FIRM},)]


def test_a_repaired_row_carries_the_key_of_the_record_it_is(fresh: Gatehouse) -> None:
    from creditflow.identity.codes import uscc_ok
    from creditflow.landing.keys import key_maker

    register(fresh)
    batch_id = fresh.deliver("permit", permits(fresh, 1, counterparty_uscc=FIRM.replace("0", "O", 1)), "cgj")
    fresh.judge()
    kind = fresh.registry.kinds["permit"]
    names = [column.name for column in kind.columns if column.type != "person_id"]
    landed = fresh.query(f"select record_key, {', '.join(names)} from landing.permit where batch_id = %s", batch_id)[0]
    key_of = key_maker(kind, "cgj", {name: at for at, name in enumerate(names)}, uscc_ok)
    assert str(landed[0]).replace("-", "") == key_of([value or "" for value in landed[1:]], "")


def test_outside_permit_and_penalty_a_failed_code_is_lost_and_the_row_stays(fresh: Gatehouse) -> None:
    rows = [
        fresh.clean("inspection", "cgj", subject_uscc=WRONG_CHECK, subject_org_code=ORG_CODE, **{"@key": "1"}),
        fresh.clean(
            "inspection", "cgj", subject_uscc=WRONG_CHECK, subject_org_code=None, subject_reg_no=None, **{"@key": "2"}
        ),
        fresh.clean(
            "inspection", "cgj", subject_uscc=None, subject_org_code=None, subject_reg_no=None, **{"@key": "3"}
        ),
        fresh.clean("inspection", "cgj", authority_uscc=WRONG_CHECK, **{"@key": "4"}),
    ]
    batch_id = fresh.deliver("inspection", rows, "cgj")
    fresh.judge()
    assert fresh.verdicts(batch_id) == {
        2: {"flagged": ["INSPECTION-ID-NULLED-SUBJECT_USCC"]},
        3: {"flagged": ["INSPECTION-ID-SUBJECT_USCC", "INSPECTION-ID-NONE"]},
        4: {"flagged": ["INSPECTION-ID-NONE"]},
        5: {"flagged": ["INSPECTION-R12-AUTHORITY_USCC"]},
    }
    landed = fresh.query(
        "select row_no, subject_uscc, authority_uscc is null, changes from landing.inspection order by 1"
    )
    assert landed == [
        (2, None, False, {"subject_uscc": WRONG_CHECK}),
        (3, None, False, {"subject_uscc": WRONG_CHECK}),
        (4, None, False, None),
        (5, FIRM, True, {"authority_uscc": WRONG_CHECK}),
    ]


def test_a_registration_that_identifies_nobody_by_a_wrong_code_is_rejected(fresh: Gatehouse) -> None:
    alone = {"subject_uscc": WRONG_CHECK, "subject_org_code": None, "subject_reg_no": None, "@key": "alone"}
    rows = [fresh.clean("registration", "sjgj", **alone), fresh.clean("registration", "sjgj", subject_uscc=WRONG_CHECK)]
    batch_id = fresh.deliver("registration", rows, "sjgj")
    fresh.judge()
    assert fresh.verdicts(batch_id) == {
        2: {"rejected": ["REGISTRATION-ID-SUBJECT_USCC", "REGISTRATION-ID-NONE"]},
        3: {"flagged": ["REGISTRATION-ID-NULLED-SUBJECT_USCC"]},
    }


def test_a_decision_older_than_a_change_of_name_agrees_with_the_register(fresh: Gatehouse) -> None:
    register(fresh)
    renamed = fresh.clean(
        "registration", "sjgj", subject_uscc=FIRM, subject_name="汕头市新名测试有限公司", **{"@op": "U", "@seq": 9}
    )
    fresh.judge(fresh.deliver("registration", [renamed], "sjgj"))
    rows = permits(fresh, 2)
    rows[1]["counterparty_name"] = "汕头市新名测试有限公司"
    batch_id = fresh.deliver("permit", rows, "cgj")
    fresh.judge()
    assert fresh.verdicts(batch_id) == {}
    assert fresh.query("select name, cardinality(names) from quality.register") == [("汕头市新名测试有限公司", 2)]


def test_the_placeholder_code_is_right_for_a_household_business_with_its_number_only(fresh: Gatehouse) -> None:
    cases = {
        2: ({**SHOP_ROW, "counterparty_uscc": PLACEHOLDER, "counterparty_reg_no": REG_NO}, []),
        3: ({**SHOP_ROW, "counterparty_uscc": PLACEHOLDER, "counterparty_reg_no": None}, ["PERMIT-C2-REG-NO"]),
        4: ({"counterparty_uscc": PLACEHOLDER}, ["PERMIT-R04-USCC"]),
        5: ({**SHOP_ROW, "counterparty_uscc": SHOP, "counterparty_reg_no": None}, []),
        6: ({**SHOP_ROW, "counterparty_uscc": None}, ["PERMIT-C1-USCC"]),
    }
    rows = permits(fresh, len(cases))
    for row, (change, _) in zip(rows, cases.values(), strict=True):
        row |= change
    batch_id = fresh.deliver("permit", rows, "cgj")
    fresh.judge()
    found = fresh.verdicts(batch_id)
    assert {row: found.get(row, {}).get("rejected", []) for row in cases} == {
        row: rules for row, (_, rules) in cases.items()
    }


def test_the_register_tells_of_other_names_and_ended_subjects(fresh: Gatehouse) -> None:
    ended = fresh.clean(
        "registration", "sjgj", subject_uscc=ENDED_FIRM, subject_name="潮南区晨光测试专业合作社",
        entity_status="注销", registered_on="2015/01/05", deregistered_on="2026/03/01",
    )  # fmt: skip
    register(fresh)
    fresh.judge(fresh.deliver("registration", [ended], "sjgj"))
    rows = permits(fresh, 2)
    rows[0] |= {"counterparty_name": "汕头市夕照测试有限公司"}
    rows[1] |= {"counterparty_uscc": ENDED_FIRM, "counterparty_name": "潮南区晨光测试专业合作社"}
    batch_id = fresh.deliver("permit", rows, "cgj")
    fresh.judge()
    assert fresh.verdicts(batch_id) == {2: {"flagged": ["PERMIT-R19-NAME"]}, 3: {"flagged": ["PERMIT-X-DEREGISTERED"]}}


# --- persons -----------------------------------------------------------------------------------------------------------


def test_a_payload_shows_no_number_no_hash_and_no_full_name_of_a_person(fresh: Gatehouse) -> None:
    row = fresh.clean("penalty", "gaj", **PERSON)
    row |= {
        "counterparty_name": "测试戊己",
        "person_id_no_check": "bad_check",
        "person_id_no_hash": "hashhashhash",
        "person_id_no_cipher": "ciphercipher",
        "violation_facts": "测试戊己于某日（电话13900000000）",
        "remark": "号码 440507199003070018",
        "@extra": {"联系电话": "13900000000"},
    }
    batch_id = fresh.deliver("penalty", [row], "gaj")
    fresh.judge()
    rules, payload = fresh.query("select rule_ids, payload from quality.row_verdict where batch_id = %s", batch_id)[0]
    text = json.dumps(payload, ensure_ascii=False)
    assert {"PENALTY-R05-PERSON", "PENALTY-R13-VIOLATION_FACTS", "PENALTY-R13-REMARK"} <= set(rules)
    assert payload["counterparty_name"] == "测***"
    assert payload["person_id_no"] == "******"
    for secret in ("测试戊己", "13900000000", "440507199003070018", "hash", "cipher"):
        assert secret not in text, secret


def test_an_organisations_name_is_shown_as_it_is(fresh: Gatehouse) -> None:
    batch_id = fresh.deliver("permit", permits(fresh, 1, permit_content=None), "cgj")
    fresh.judge()
    payload = fresh.query("select payload from quality.row_verdict where batch_id = %s", batch_id)[0][0]
    assert payload["counterparty_name"] == FIRM_NAME
    assert payload["counterparty_uscc"] == FIRM


# --- as the sources say ------------------------------------------------------------------------------------------------


def test_long_term_validity_and_other_lawful_oddities_pass(fresh: Gatehouse) -> None:
    lawful: list[dict[str, Any]] = [
        {"valid_to": "2099/12/31"},
        {"valid_to": "2099-12-31", "remark": "/"},
        {"decision_date": "2026年11月20日"},
        {"counterparty_uscc": "N2440513MF0000013T", "counterparty_name": "潮阳区测试镇测试村经济联合社"},
        {"counterparty_uscc": "52440500MA4X33746U"},
        {"counterparty_uscc": "12440515MA4X32436E"},
        {"permit_category": "其他-备案变更"},
        {"certificate_name": None, "certificate_no": None},
        {"counterparty_name": "KONTEST（汕头）测试有限公司"},
        {**PERSON, "counterparty_name": "测乙"},
        {**PERSON, "person_id_type": "护照号", "person_id_no_check": "other_document"},
    ]
    rows = permits(fresh, len(lawful))
    for row, change in zip(rows, lawful, strict=True):
        row |= change
    batch_id = fresh.deliver("permit", rows, "cgj")
    fresh.judge()
    assert fresh.verdicts(batch_id) == {}


def test_one_penalty_decision_on_several_parties_is_lawful(fresh: Gatehouse) -> None:
    rows = [
        fresh.clean(
            "penalty",
            "zjj",
            **{NUMBERS: "汕建罚〔2026〕8号", "@key": key, "severity": "一般", "counterparty_uscc": uscc},
        )
        for key, uscc in (("a", FIRM), ("b", "91440507MA4X85618J"))
    ]
    batch_id = fresh.deliver("penalty", rows, "zjj")
    fresh.judge()
    assert fresh.verdicts(batch_id) == {}


def test_a_decision_is_compared_with_its_delivery_not_with_todays_clock(fresh: Gatehouse) -> None:
    delivered = datetime(2024, 5, 6, 20, tzinfo=UTC)  # 7 May in Shantou
    rows = permits(fresh, 2)
    rows[0]["decision_date"], rows[1]["decision_date"] = "2024/05/07", "2024/05/08"
    batch_id = fresh.deliver("permit", rows, "cgj", delivered_at=delivered, as_of=date(2026, 11, 20))
    fresh.judge()
    assert fresh.verdicts(batch_id) == {3: {"rejected": ["PERMIT-R07-DECISION_DATE"]}}
