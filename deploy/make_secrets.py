"""Makes the secrets of a new deployment, once, into one volume per reader; `logins` shows the first logins.

Promises
- A secret that exists is left alone; nothing has a default value.
- Each service mounts only the volume with the secrets it needs.
- No secret is printed but by `logins`, on the terminal of the person who asks.
"""

from __future__ import annotations

import crypt
import os
import secrets
import sys
from base64 import urlsafe_b64encode
from pathlib import Path

from creditflow.settings import Keys, write_secret

ROOT = Path("/run/creditflow")
USER = 50000
WRITABLE = (Path("/var/lib/creditflow"), Path("/var/lib/creditflow/site"), Path("/opt/airflow/logs"))
LOGINS = ("engineer", "credit_office")


def make(place: str, value: str, *, mode: int = 0o440) -> str:
    """Write one secret unless it is there; what the file holds afterwards.

    mode: 0440 lets the group of our own image read (gid 0); 0444 is for images with users of their own, whose volume
    nobody else mounts.
    """
    path = ROOT / place
    if write_secret(path, value):
        path.chmod(mode)
    return path.read_text(encoding="utf-8")


def make_all() -> None:
    """Make what is missing, and give the image's user its volumes."""
    for place in ("airflow", "warehouse", "metadata", "redis", "site", "exchange", "mariadb"):
        (ROOT / place).mkdir(parents=True, exist_ok=True)
        (ROOT / place).chmod(0o755)
    for name in ("warehouse", "metadata"):
        make(f"airflow/{name}_password", make(f"{name}/password", secrets.token_urlsafe(24), mode=0o444))
    for name in ("exchange", "mariadb"):
        make(f"{name}/password", secrets.token_urlsafe(24), mode=0o444)
    redis = make("airflow/redis_password", secrets.token_urlsafe(24))
    make("redis/redis.conf", f"requirepass {redis}\nappendonly yes\ndir /data\n", mode=0o444)
    make("airflow/fernet_key", urlsafe_b64encode(secrets.token_bytes(32)).decode())
    make("airflow/session_key", secrets.token_urlsafe(32))
    make("airflow/jwt_secret", secrets.token_urlsafe(48))
    make("airflow/person_keys.json", Keys.fresh().text())
    for login in LOGINS:
        make(f"airflow/{login}_password", secrets.token_urlsafe(12))
    lines = [f"{login}:{crypt.crypt(password(login), crypt.METHOD_SHA512)}\n" for login in LOGINS]
    make("site/htpasswd", "".join(lines), mode=0o444)
    for folder in WRITABLE:
        os.chown(folder, USER, 0)


def password(login: str) -> str:
    """First password of a login."""
    return (ROOT / "airflow" / f"{login}_password").read_text(encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:] == ["logins"]:
        for each in LOGINS:
            print(f"{each}\t{password(each)}")
    else:
        make_all()
