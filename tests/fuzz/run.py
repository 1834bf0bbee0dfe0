"""Coverage-guided fuzzing: `make fuzz`, or one target for longer: `make fuzz TARGETS=xlsx SECONDS=3600`.

    python tests/fuzz/run.py SECONDS TARGET...

Each target begins with the kept inputs (tests/data/fuzz/<target>, and the hostile deliveries of its format). Inputs that
reach new code are collected below .cache/fuzz; when the time is over, the fewest and smallest that reach all of it replace
the kept ones (at most 60 files and 60 kB for each target). A finding stops it with status 1: its input lies in .cache/fuzz/findings and
belongs into the kept ones together with what mends it.
"""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
CACHE = PROJECT / ".cache" / "fuzz"
LOCK = Path(__file__).with_name("atheris.lock")
PROGRAM = """#!{python}
import sys
sys.path.insert(0, "{project}")
import atheris
with atheris.instrument_imports(include=["creditflow.readers", "creditflow.identity"]):
    from tests.fuzz.targets import TARGETS
atheris.Setup(sys.argv, TARGETS["{target}"])
atheris.Fuzz()
"""
"""One target as a program: the fuzzer starts itself again to make the set smaller."""
TARGETS = ("csv", "json", "xml", "xlsx", "html", "identity")
LARGEST = 8192


def environment() -> Path:
    """The fuzzer's interpreter: ours, and the fuzzer on top, installed when missing or older than its lock."""
    place = CACHE / "venv"
    mark = place / "installed.lock"
    if not mark.exists() or mark.read_bytes() != LOCK.read_bytes():
        venv.create(place, clear=True, with_pip=False)
        (place / "bin" / "uv").symlink_to(Path(sys.executable).with_name("uv"))
        subprocess.run(["requirements/install.sh", str(place), str(LOCK)], cwd=PROJECT, check=True)
        ours = next(Path(entry) for entry in sys.path if entry.endswith("site-packages"))
        theirs = next((place / "lib").glob("python*/site-packages"))
        (theirs / "ours.pth").write_text(f"{ours}\n", encoding="utf-8")
        mark.write_bytes(LOCK.read_bytes())
    return place / "bin" / "python"


def fuzz(python: Path, target: str, seconds: int) -> int:
    """Fuzz one target, then keep the smallest set of inputs that reaches as much. The fuzzer's exit status."""
    collected, smallest = CACHE / "corpus" / target, CACHE / "smallest" / target
    kept, findings = PROJECT / "tests" / "data" / "fuzz" / target, CACHE / "findings"
    for folder in (collected, smallest, kept, findings):
        folder.mkdir(parents=True, exist_ok=True)
    for old in smallest.iterdir():
        old.unlink()
    hostile = CACHE / "hostile" / target
    hostile.mkdir(parents=True, exist_ok=True)
    for path in (PROJECT / "tests" / "data" / "hostile").glob(f"*.{target}"):
        (hostile / path.name).write_bytes(path.read_bytes())
    program = CACHE / f"fuzz-{target}"
    program.write_text(PROGRAM.format(python=python, project=PROJECT, target=target), encoding="utf-8")
    program.chmod(0o755)

    def run(*arguments: str) -> int:
        command = [str(program), f"-max_len={LARGEST}", "-rss_limit_mb=2048", *arguments]
        return subprocess.run(command, cwd=PROJECT, check=False).returncode

    status = run(
        f"-max_total_time={seconds}", "-timeout=30", f"-artifact_prefix={findings}/{target}-", "-verbosity=0",
        "-print_final_stats=1", str(collected), str(kept), str(hostile),
    )  # fmt: skip
    if status == 0 and run("-merge=1", "-verbosity=0", str(smallest), str(kept), str(collected), str(hostile)) == 0:
        found = sorted(smallest.iterdir(), key=lambda path: (path.stat().st_size, path.name))
        for old in kept.iterdir():
            old.unlink()
        room = 60_000
        for path in found[:60]:
            room -= path.stat().st_size
            if room >= 0:
                (kept / path.name).write_bytes(path.read_bytes())
    return status


def main() -> int:
    """Fuzz the named targets, or all; 1 after a finding."""
    python = environment()
    seconds = int(sys.argv[1])
    for target in sys.argv[2:] or TARGETS:
        sys.stdout.write(f"== {target}, {seconds} s\n")
        sys.stdout.flush()
        if fuzz(python, target, seconds) != 0:
            sys.stdout.write(f"a finding in {target}: see .cache/fuzz/findings\n")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
