"""Makes a deployment ready for its services: databases migrated, registry synchronised, Airflow's roles and logins there.

Safe to run at every start: what is there is left alone.

- `engineer` has Airflow's role Op: runs, clears, connections, pools; no user management (that is done on this host).
- `credit_office` has the role CreditOffice of roles.json: sees which department came and which run failed; may start
  nothing and reads no log, code or connection.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from creditflow.ops.migrate import migrate
from creditflow.ops.registry_sync import sync_registry
from creditflow.registry import load
from creditflow.settings import load_settings

SECRETS = Path("/run/creditflow/airflow")
ROLES = Path(__file__).with_name("roles.json")
LOGINS = {
    "engineer": ("Op", "Data", "Engineer"),
    "credit_office": ("CreditOffice", "Credit", "Office"),
}


def airflow(*arguments: str) -> str:
    """Run one Airflow command; what it printed. Raises CalledProcessError when it fails."""
    done = subprocess.run(["airflow", *arguments], stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout


def logins() -> set[str]:
    """Logins that Airflow knows."""
    printed = airflow("users", "list", "-o", "json")
    return {item["username"] for item in json.loads(printed[printed.index("[") :])}


def main() -> None:
    """Prepare both databases."""
    airflow("db", "migrate")
    airflow("sync-perm")
    airflow("roles", "import", str(ROLES))
    known = logins()
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
