"""Makes a deployment ready for its services: databases migrated, registry synchronised, Airflow's roles and logins there.

Safe to run at every start: what is there is left alone.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from creditflow.ops.migrate import migrate
from creditflow.ops.registry_sync import sync_registry
from creditflow.registry import load
from creditflow.settings import load_settings

SECRETS = Path("/run/creditflow/airflow")
LOGINS = {
    "engineer": ("Admin", "Data", "Engineer"),
    "credit_office": ("Viewer", "Credit", "Office"),
}


def airflow(*arguments: str, stdin: str | None = None) -> None:
    """Run one Airflow command. Raises CalledProcessError when it fails."""
    subprocess.run(["airflow", *arguments], input=stdin, text=True, check=True)


def main() -> None:
    """Prepare both databases."""
    airflow("db", "migrate")
    airflow("sync-perm")
    known = subprocess.run(
        ["airflow", "users", "list", "-o", "json"], capture_output=True, text=True, check=True
    ).stdout
    for login, (role, first, last) in LOGINS.items():
        if f'"{login}"' in known:
            continue
        password = (SECRETS / f"{login}_password").read_text(encoding="utf-8")
        airflow(
            "users",
            "create",
            "-u",
            login,
            "-r",
            role,
            "-f",
            first,
            "-l",
            last,
            "-e",
            f"{login}@creditflow.example",
            "-p",
            password,
        )
    settings = load_settings()
    migrate(settings)
    sync_registry(settings, load(settings.project))


if __name__ == "__main__":
    main()
