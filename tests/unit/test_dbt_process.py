"""dbt ends with the process that started it: what outlived its build would write under the number of the next one."""

from __future__ import annotations

import signal
import subprocess
import sys

from creditflow.warehouse.dbt import PARENT

DBT = f"""
import os, sys, time
os.environ[{PARENT!r}] = sys.argv[1]
from creditflow.warehouse import dbt_process
dbt_process.end_with_parent()
print(os.getpid(), flush=True)
time.sleep(600)
"""
BUILD = """
import os, subprocess, sys
subprocess.run([sys.executable, "-c", sys.argv[1], str(os.getpid())])
"""


def test_dbt_is_gone_as_soon_as_its_build_is_killed() -> None:
    build = subprocess.Popen([sys.executable, "-c", BUILD, DBT], stdout=subprocess.PIPE, text=True)
    assert build.stdout is not None
    assert int(build.stdout.readline()) > 0, "dbt runs"
    build.kill()
    rest, _ = build.communicate(timeout=60)
    assert (build.returncode, rest) == (-signal.SIGKILL, ""), "nobody holds the pipe any more"


def test_dbt_does_not_begin_when_its_build_is_gone_already() -> None:
    alone = subprocess.run([sys.executable, "-c", DBT, "1"], capture_output=True, text=True, check=False)
    assert (alone.returncode, alone.stdout) == (2, "")
