"""Makes a deployment ready for its services: databases migrated, registry synchronised, Airflow's roles and logins there.

Safe to run at every start: what is there is left alone.

- `engineer` has Airflow's role Op: runs, clears, connections, pools; no user management (that is done on this host).
- `credit_office` has the role CreditOffice of roles.json: sees which department came and which run failed; may start
  nothing and reads no log, code or connection.
"""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from tempfile import NamedTemporaryFile

from creditflow.ops.migrate import migrate
from creditflow.ops.registry_sync import sync_registry
from creditflow.registry import load
from creditflow.settings import load_settings

SECRETS = Path("/run/creditflow/airflow")
ROLES = Path(__file__).with_name("roles.json")
POOLS = Path(__file__).parents[1] / "dags" / "pools.json"
LOGINS = {
    "engineer": ("Op", "Data", "Engineer"),
    "credit_office": ("CreditOffice", "Credit", "Office"),
}


def airflow(*arguments: str) -> str:
    """Run one Airflow command; what it printed. Raises CalledProcessError when it fails."""
    done = subprocess.run(["airflow", *arguments], stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout


def listed(what: str, key: str) -> set[str]:
    """What `airflow <what> list` knows. Log lines may stand before the list, which begins a line of its own."""
    printed = airflow(what, "list", "-o", "json")
    found = re.search(r"^\[\s*[{\]].*", printed, re.MULTILINE | re.DOTALL)
    if found is None:
        raise RuntimeError(f"airflow {what} list printed no list: {printed[-500:]}")
    return {item[key] for item in json.loads(found[0])}


def add_pools() -> None:
    """Make the pools that Airflow does not know yet; one that a person has changed stays as it is."""
    known = listed("pools", "pool")
    missing = {name: pool for name, pool in json.loads(POOLS.read_text("utf-8")).items() if name not in known}
    if missing:
        with NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
            json.dump(missing, file)
            file.flush()
            airflow("pools", "import", file.name)


def main() -> None:
    """Prepare both databases."""
    airflow("db", "migrate")
    airflow("sync-perm")
    airflow("roles", "import", str(ROLES))
    add_pools()
    known = listed("users", "username")
    for login, (role, first, last) in LOGINS.items():
        if login in known:
            continue
        password = (SECRETS / f"{login}_password").read_text(encoding="utf-8")
        who = {"-u": login, "-r": role, "-f": first, "-l": last, "-e": f"{login}@creditflow.example", "-p": password}
        airflow("users", "create", *(part for option in who.items() for part in option))
        print(f"login {login} with role {role}")
    settings = load_settings()
    migrate(settings)
    sync_registry(settings, load(settings.project))


if __name__ == "__main__":
    main()
