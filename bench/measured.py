"""Runs a command and says what it took, as one line of JSON: python -m bench.measured COMMAND...

Small on purpose: a process inherits its starter's peak of memory, so what is measured must not be started by the bench itself.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time


def main(command: list[str]) -> None:
    """Prints code, seconds (wall), processor_seconds and peak_mb (the largest of the process and those it waited for)."""
    begun = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - begun
    print(
        json.dumps(
            {
                "code": process.returncode,
                "seconds": seconds,
                "processor_seconds": used.ru_utime + used.ru_stime,
                "peak_mb": used.ru_maxrss // 1024,
            }
        )
    )


if __name__ == "__main__":
    main(sys.argv[1:])
