"""The commands: figures as one JSON object, exit status 0, 1 and 2, the big file for benchmarks."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from sandbox import main


def figures(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    """What a command printed."""
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return found


def test_seed_and_deliver_say_what_they_did_and_do_it_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = str(tmp_path)
    shape = ["--scale", "0.003", "--years", "1", "--seed", "3"]
    assert main(["seed", "--home", home, *shape]) == 0
    assert figures(capsys)["fresh"] is True
    assert main(["seed", "--home", home, *shape, "--as-of", "2026-11-24"]) == 0
    assert figures(capsys) == {"fresh": False, "seed": 3, "scale": 0.003, "years": 1, "baseline": "2026-11-20"}
    assert main(["deliver", "--home", home, *shape]) == 0
    made = figures(capsys)
    assert made["days"] == 1
    assert int(str(made["rows"])) > 5000
    assert main(["deliver", "--home", home]) == 0
    assert figures(capsys) == {"days": 0, "deliveries": 0, "rows": 0}
    assert main(["status", "--home", home]) == 0
    assert figures(capsys)["delivered_through"] == "2026-11-20"


def test_everybody_sends_on_a_quiet_day_when_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = str(tmp_path)
    main(["seed", "--home", home, "--scale", "0.003"])
    main(["deliver", "--home", home])
    capsys.readouterr()
    assert main(["deliver", "--home", home, "--as-of", "2026-11-21", "--everybody"]) == 0
    with (tmp_path / "truth" / "deliveries.csv").open(encoding="utf-8") as handle:
        sent = {d["department"] for d in csv.DictReader(handle) if d["day"] == "2026-11-21"}
    assert len([d for d in sent if not d.startswith("x_")]) >= 38


def test_what_cannot_be_done_is_said_with_status_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["deliver", "--home", str(tmp_path)]) == 1
    assert "run `seed` first" in capsys.readouterr().err
    main(["seed", "--home", str(tmp_path), "--scale", "0.003"])
    assert main(["seed", "--home", str(tmp_path), "--scale", "0.004"]) == 1
    assert "was seeded with" in capsys.readouterr().err


def test_wrong_usage_is_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["deliver"]) == 2
    assert main(["seed", "--home", "x", "--years", "9"]) == 2
    assert "usage" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["permit", "penalty"])
def test_the_big_file_has_as_many_different_rows_as_asked(
    tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bulk", "--rows", "3000", "--out", str(tmp_path), "--kind", kind, "--clean"]) == 0
    path = Path(str(figures(capsys)["file"]))
    with path.open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert len(rows) == 3000
    number = "XK_WSH" if kind == "permit" else "CF_WSH"
    assert len({r[number] for r in rows}) == 3000
    assert rows[0]["CZBS"] == "I"
