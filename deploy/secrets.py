"""Makes the secrets of a new deployment, once, into one volume per reader.

Promises
- A secret that exists is left alone; nothing has a default value.
- Each service mounts only the volume with the secrets it needs.
- The first login of Airflow and of the report site is printed once, when it is made; later only its file knows it.
"""

from __future__ import annotations

import crypt
import os
import secrets
from base64 import urlsafe_b64encode
from pathlib import Path

from creditflow.settings import Keys, write_secret

ROOT = Path("/run/creditflow")


def make(place: str, value: str, *, mode: int = 0o440) -> str:
    """Write one secret unless it is there; what the file holds afterwards."""
    path = ROOT / place
    if write_secret(path, value):
        path.chmod(mode)
    return path.read_text(encoding="utf-8")


def main() -> None:
    """Make what is missing."""
    first = not (ROOT / "airflow" / "jwt_secret").exists()
    for place in ("warehouse", "metadata", "redis", "site", "airflow"):
        (ROOT / place).mkdir(parents=True, exist_ok=True)
    # A database image reads its own password as its own user, hence world-readable inside a volume only it mounts.
    for name in ("warehouse", "metadata"):
        value = make(f"{name}/password", secrets.token_urlsafe(24), mode=0o444)
        make(f"airflow/{name}_password", value)
    redis = make("airflow/redis_password", secrets.token_urlsafe(24))
    make("redis/redis.conf", f"requirepass {redis}\nappendonly yes\n", mode=0o444)
    make("airflow/fernet_key", urlsafe_b64encode(secrets.token_bytes(32)).decode())
    make("airflow/session_key", secrets.token_urlsafe(32))
    make("airflow/person_keys.json", Keys.fresh().text())
    engineer = make("airflow/engineer_password", secrets.token_urlsafe(12))
    office = make("airflow/credit_office_password", secrets.token_urlsafe(12))
    make("site/htpasswd", f"credit_office:{crypt.crypt(office, crypt.METHOD_SHA512)}\n", mode=0o444)
    make("airflow/jwt_secret", secrets.token_urlsafe(48))
    if first and os.environ.get("CREDITFLOW_PRINT_LOGIN", "yes") == "yes":
        print(f"Airflow   engineer / {engineer}   credit_office / {office}")
        print(f"site      credit_office / {office}")


if __name__ == "__main__":
    main()
