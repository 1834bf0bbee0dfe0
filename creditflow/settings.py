"""Where things are and which secrets apply: one frozen object that every room takes as its first argument.

Promises
- Reads the environment once, in `load_settings`; nothing else in the package reads ``CREDITFLOW_*`` for paths.
- Holds no secret itself: keys, the database password and department credentials are read when asked for,
  from files that only their owner may read, or from the environment.
- Looking at a `Settings` object (repr, log line, traceback) never shows a secret.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
import shlex
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from urllib.parse import quote
from zoneinfo import ZoneInfo

MOST_LANDING_PROCESSES = 4
"""More make no delivery faster: one COPY takes what three or four processes give."""

DEFAULT_AS_OF = "2026-11-20"
"""The fixed business date of a night that nobody dated: it works on any calendar day."""

WAREHOUSE_DATABASE = "creditflow"
AIRFLOW_DATABASE = "airflow"
DATABASE_OWNER = "creditflow"
AIRFLOW_OWNER = "airflow"


class SettingsError(Exception):
    """Something the operator must set, start or allow; the message says what, in Chinese and English."""


@dataclass(frozen=True)
class Keys:
    """The two person keys: `hmac` (32 bytes) makes ids comparable, `cipher` (32 bytes, AES-256) makes them recoverable.

    previous: keys they replaced, newest first; they open what was made with them and make nothing new.
    """

    hmac: bytes = field(repr=False)
    cipher: bytes = field(repr=False)
    key_id: str
    previous: tuple[Keys, ...] = ()

    @classmethod
    def fresh(cls) -> Keys:
        """New random keys with the id that marks every ciphertext made with them."""
        hmac_key, cipher_key = secrets.token_bytes(32), secrets.token_bytes(32)
        return cls(hmac_key, cipher_key, hashlib.sha256(hmac_key + cipher_key).hexdigest()[:8])

    @classmethod
    def parse(cls, text: str) -> Keys:
        """Read a key file. Raises SettingsError (without its content) when it is not one."""
        try:
            document = json.loads(text)
            keys = cls._of(document)
            keys = replace(keys, previous=tuple(cls._of(item) for item in document.get("previous", [])))
        except (ValueError, KeyError, TypeError):
            raise SettingsError("密钥文件无法读取 / the person key file cannot be read") from None
        if any(len(item.hmac) != 32 or len(item.cipher) != 32 or not item.key_id for item in (keys, *keys.previous)):
            raise SettingsError("密钥长度须为 32 字节 / person keys must be 32 bytes each")
        return keys

    @classmethod
    def _of(cls, document: Mapping[str, str]) -> Keys:
        return cls(
            base64.b64decode(document["hmac"], validate=True),
            base64.b64decode(document["cipher"], validate=True),
            str(document["key_id"]),
        )

    def text(self) -> str:
        """The key file's content."""
        return json.dumps({**self._document(), "previous": [item._document() for item in self.previous]})

    def _document(self) -> dict[str, str]:
        return {
            "key_id": self.key_id,
            "hmac": base64.b64encode(self.hmac).decode(),
            "cipher": base64.b64encode(self.cipher).decode(),
        }

    def replacing(self, old: Keys) -> Keys:
        """These keys with `old`, and what `old` replaced, as previous ones."""
        return replace(self, previous=(replace(old, previous=()), *old.previous))


def write_secret(path: Path, text: str) -> bool:
    """Write `text` to a new file only its owner can read; False when the file is already there (it is left alone).

    The file appears complete or not at all, so two processes starting together agree on one content.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            return False
        return True
    finally:
        draft.unlink()


@dataclass(frozen=True)
class Settings:
    """Paths and addresses of one installation.

    home: everything that changes (.creditflow). project: the checkout that holds sources/, expectations/, dbt_project/.
    archive_url: fsspec URL of the write-once archive. external_warehouse: libpq URL of a real PostgreSQL, or None
    for the embedded one. key_command: prints the key file's content (a key management service's client), in place of
    key_file. airflow_url: page of an Airflow that runs elsewhere (http://login:password@host:port), or None for the
    night's own. archive_sealed: whether new deliveries are encrypted at rest. timezone: IANA name of business time.
    landing_processes: how many processes may share the rows of one large delivery; at the gate, sessions within the cores.
    """

    home: Path
    project: Path
    archive_url: str
    external_warehouse: str | None = field(default=None, repr=False)
    airflow_url: str | None = field(default=None, repr=False)
    key_file: Path | None = None
    key_command: str | None = field(default=None, repr=False)
    archive_sealed: bool = False
    timezone: str = "Asia/Shanghai"
    landing_processes: int = field(default_factory=lambda: _landing_processes(None))

    @property
    def zone(self) -> ZoneInfo:
        """Business time zone."""
        return ZoneInfo(self.timezone)

    @property
    def sandbox_home(self) -> Path:
        """Where the sandbox keeps its servers' state and connections.env."""
        return self.home / "sandbox"

    @property
    def site(self) -> Path:
        """Where the report site is written."""
        return self.home / "site"

    @property
    def server_file(self) -> Path:
        """Where the embedded server remembers its data folder and port."""
        return self.home / "server.json"

    @property
    def embedded(self) -> bool:
        """True when the warehouse is the embedded server, False when CREDITFLOW_WAREHOUSE_URL names another."""
        return self.external_warehouse is None

    def database_url(self, database: str, *, user: str = DATABASE_OWNER) -> str:
        """libpq URL of a database on the embedded server. Raises SettingsError before its first start."""
        try:
            port = int(json.loads(self.server_file.read_text(encoding="utf-8"))["port"])
            password = self.database_password(user)
        except (FileNotFoundError, KeyError, ValueError):
            raise SettingsError(
                "内置数据库尚未启动，请先运行 creditflow up 或 creditflow night / "
                "the embedded database has not been started yet: run `creditflow up` or `creditflow night` first"
            ) from None
        return f"postgresql://{user}:{quote(password, safe='')}@127.0.0.1:{port}/{database}"

    def database_password(self, user: str = DATABASE_OWNER) -> str:
        """Password of a login on the embedded server. Raises FileNotFoundError before its first start."""
        return (self.home / "keys" / f"postgres_{user}").read_text(encoding="utf-8").strip()

    @property
    def warehouse_url(self) -> str:
        """libpq URL of the warehouse database. Raises SettingsError when the embedded server was never started."""
        return self.external_warehouse or self.database_url(WAREHOUSE_DATABASE)

    @cached_property
    def _keys(self) -> Keys:
        if self.key_command is not None:
            return Keys.parse(_printed(self.key_command))
        if self.key_file is not None:
            try:
                return Keys.parse(self.key_file.read_text(encoding="utf-8"))
            except OSError as problem:
                raise SettingsError(
                    f"无法读取 CREDITFLOW_KEY_FILE / cannot read CREDITFLOW_KEY_FILE: {problem.strerror}"
                ) from None
        path = self.home / "keys" / "person.json"
        if not path.exists():
            write_secret(path, Keys.fresh().text())
        return Keys.parse(path.read_text(encoding="utf-8"))

    def keys(self) -> Keys:
        """The person keys: printed by CREDITFLOW_KEY_COMMAND, read from CREDITFLOW_KEY_FILE, or made at first use under
        home/keys (mode 0600)."""
        return self._keys

    def credential(self, connection_id: str) -> str:
        """URL with login of one department connection. Never log it.

        Looked up in the environment (CREDITFLOW_CONN_<ID>), then in the sandbox's connections.env.
        Raises SettingsError naming the variable to set.
        """
        variable = connection_variable(connection_id)
        value = os.environ.get(variable) or self.sandbox_connections().get(variable)
        if not value:
            raise SettingsError(f"缺少连接凭据 {variable} / no credential: set {variable} or the connection in Airflow")
        return value

    def sandbox_connections(self) -> Mapping[str, str]:
        """CREDITFLOW_CONN_* of the running sandbox; empty without one."""
        try:
            text = (self.sandbox_home / "connections.env").read_text(encoding="utf-8")
        except FileNotFoundError:
            return {}
        pairs = (line.partition("=") for line in text.splitlines() if "=" in line and not line.startswith("#"))
        return {name.strip(): value.strip() for name, _, value in pairs}


def _printed(command: str) -> str:
    """What a command prints. Raises SettingsError that says how it ended, never what it printed."""
    try:
        done = subprocess.run(
            shlex.split(command), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False
        )
    except (OSError, ValueError, subprocess.TimeoutExpired) as problem:
        how = type(problem).__name__
    else:
        if done.returncode == 0:
            return done.stdout
        how = f"exit status {done.returncode}"
    raise SettingsError(f"CREDITFLOW_KEY_COMMAND 未给出密钥 / CREDITFLOW_KEY_COMMAND gave no key: {how}")


def connection_variable(connection_id: str) -> str:
    """Environment variable that carries the URL of a connection: `sftp_jyj` -> CREDITFLOW_CONN_SFTP_JYJ."""
    return f"CREDITFLOW_CONN_{connection_id.upper()}"


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Settings from the environment.

    CREDITFLOW_PROJECT (default: the checkout this package lies in), CREDITFLOW_HOME (default: <project>/.creditflow),
    CREDITFLOW_WAREHOUSE_URL, CREDITFLOW_ARCHIVE_URL (default: file://<home>/archive), CREDITFLOW_KEY_FILE,
    CREDITFLOW_KEY_COMMAND, CREDITFLOW_AIRFLOW_URL, CREDITFLOW_ARCHIVE_SEALED (on or off, the default), CREDITFLOW_TIMEZONE,
    CREDITFLOW_LANDING_PROCESSES (default: one more than the cores this process may use, at most 4; of one core, 1).
    """
    env = os.environ if environ is None else environ
    project = Path(env.get("CREDITFLOW_PROJECT") or Path(__file__).resolve().parent.parent).resolve()
    home = Path(env.get("CREDITFLOW_HOME") or project / ".creditflow").expanduser().absolute()
    key_file = env.get("CREDITFLOW_KEY_FILE")
    return Settings(
        home=home,
        project=project,
        archive_url=env.get("CREDITFLOW_ARCHIVE_URL") or f"file://{home}/archive",
        external_warehouse=env.get("CREDITFLOW_WAREHOUSE_URL") or None,
        airflow_url=env.get("CREDITFLOW_AIRFLOW_URL") or None,
        key_file=Path(key_file).expanduser() if key_file else None,
        key_command=env.get("CREDITFLOW_KEY_COMMAND") or None,
        archive_sealed=(env.get("CREDITFLOW_ARCHIVE_SEALED") or "off").lower() in ("on", "true", "yes", "1"),
        timezone=env.get("CREDITFLOW_TIMEZONE") or "Asia/Shanghai",
        landing_processes=_landing_processes(env.get("CREDITFLOW_LANDING_PROCESSES")),
    )


def _landing_processes(text: str | None) -> int:
    if not text:
        cores = len(os.sched_getaffinity(0))
        return min(cores + 1, MOST_LANDING_PROCESSES) if cores > 1 else 1
    if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= 64):
        raise SettingsError(
            "CREDITFLOW_LANDING_PROCESSES 须为 1 至 64 的整数 / CREDITFLOW_LANDING_PROCESSES must be a number from 1 to 64"
        )
    return int(text)
