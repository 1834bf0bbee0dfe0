"""The sandbox as a service: the 43 pretended departments, seeded, delivered up to a day, served until it is stopped.

SANDBOX_AS_OF, SANDBOX_SCALE, SANDBOX_YEARS, SANDBOX_SEED say which city. A later day's deliveries:
    docker compose exec sandbox creditflow-container python -m sandbox deliver --home /var/lib/creditflow/sandbox --as-of DAY
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from creditflow.settings import load_settings
from sandbox import exchange, servers

PASSWORD = Path("/run/creditflow/exchange/password")
SHAPE = {"--as-of": "SANDBOX_AS_OF", "--scale": "SANDBOX_SCALE", "--years": "SANDBOX_YEARS", "--seed": "SANDBOX_SEED"}


def main() -> int:
    """Serve; 1 when the servers ended by themselves."""
    home = load_settings().sandbox_home
    ready = home / "ready"
    city = [part for option, variable in SHAPE.items() for part in (option, os.environ[variable])]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        servers.place(home, "0.0.0.0", "sandbox")  # noqa: S104 - the compose network
        servers.prepare(home)
        exchange.configure(home, f"postgresql://exchange:{PASSWORD.read_text(encoding='utf-8')}@exchange:5432/postgres")
        servers.start(home)
        for command in ("seed", "deliver"):
            subprocess.run([sys.executable, "-m", "sandbox", command, "--home", str(home), *city], check=True)
        ready.touch()
        while servers.alive(home):
            time.sleep(2)
        return 1
    finally:
        ready.unlink(missing_ok=True)
        servers.stop(home)


if __name__ == "__main__":
    sys.exit(main())
