"""The long-running side: one process with the SFTP server and the HTTP API, started detached, stopped by its own note.

The process holds a lock on `<home>/servers.lock` as long as it lives; `servers.json` says its pid and ports. Nobody is ever
stopped by a pid alone: without the lock the note is stale. When the home is removed the process ends by itself. Ports are
free ones on 127.0.0.1, the last ones again if possible; `place` names another address to listen on (a container's network).
"""

from __future__ import annotations

import asyncio
import base64
import fcntl
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import asyncssh
import uvicorn

from sandbox import exchange
from sandbox.api import application, tokens
from sandbox.description import departments
from sandbox.store import read, write

STARTUP_SECONDS = 120
LOOK_SECONDS = 1.0


def prepare(home: Path) -> None:
    """Keys, tokens and folders, made once."""
    state = home / "state"
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not (state / "host_key").exists():
        _key(state / "host_key")
    made = tokens(home)
    for code, dept in departments().items():
        if dept.channel == "rest_api" and code not in made:
            made[code] = secrets.token_urlsafe(24)
        elif dept.channel == "sftp":
            for feed in dept.feeds:
                (home / "sftp" / code / feed).mkdir(parents=True, exist_ok=True)
            if not (home / "keys" / code).exists():
                _key(home / "keys" / code)
        elif dept.channel == "manual_upload":
            for feed in dept.feeds:
                (home / "drop" / code / feed).mkdir(parents=True, exist_ok=True)
    write(state / "tokens.json", made, 0o600)


def place(home: Path, listen: str, known_as: str) -> None:
    """Listen on another address than 127.0.0.1 from the next start on; clients reach it under the name `known_as`."""
    write(home / "state" / "place.json", {"listen": listen, "known_as": known_as})


def _place(home: Path) -> dict[str, str]:
    named: dict[str, str] | None = read(home / "state" / "place.json")
    return named or {"listen": "127.0.0.1", "known_as": "127.0.0.1"}


def _key(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = asyncssh.generate_private_key("ssh-ed25519")
    key.write_private_key(str(path))
    path.chmod(0o600)
    key.write_public_key(str(path) + ".pub")


class _Sftp(asyncssh.SFTPServer):
    """One department's folder and nothing above it."""

    def __init__(self, chan: asyncssh.SSHServerChannel[bytes], home: Path) -> None:
        root = home / "sftp" / str(chan.get_extra_info("username"))
        super().__init__(chan, chroot=str(root).encode())


class _Login(asyncssh.SSHServer):
    """Login by the department's own key only."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._connection: asyncssh.SSHServerConnection | None = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn

    def begin_auth(self, username: str) -> bool:
        key = self._home / "keys" / f"{username}.pub"
        if self._connection is not None and username in departments() and key.exists():
            self._connection.set_authorized_keys(str(key))
        return True

    def password_auth_supported(self) -> bool:
        return False


async def _serve(home: Path, ports: dict[str, int]) -> None:
    address = _place(home)["listen"]
    sftp = await asyncssh.listen(
        address,
        ports["sftp"],
        server_factory=lambda: _Login(home),
        server_host_keys=[str(home / "state" / "host_key")],
        sftp_factory=lambda chan: _Sftp(chan, home),
        allow_scp=False,
        process_factory=None,
    )
    config = uvicorn.Config(
        application(home),
        host=address,
        port=ports["api"],
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=2,
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started and not serving.done():
        await asyncio.sleep(0.02)
    write(home / "servers.json", {"pid": os.getpid(), **ports})
    while not serving.done():
        if not (home / "servers.lock").exists():
            server.should_exit = True
        await asyncio.wait([serving], timeout=LOOK_SECONDS)
    await serving
    sftp.close()


def run(home: Path) -> int:
    """Serve until told to stop; 1 when another process already serves this home."""
    lock = (home / "servers.lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return 1
    kept = read(home / "state" / "ports.json") or {}
    ports = {name: _free_port(kept.get(name)) for name in ("sftp", "api")}
    write(home / "state" / "ports.json", ports)
    try:
        asyncio.run(_serve(home, ports))
    finally:
        (home / "servers.json").unlink(missing_ok=True)
    return 0


def _free_port(wanted: int | None) -> int:
    for port in (wanted or 0, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return int(probe.getsockname()[1])
    raise OSError("no free port on 127.0.0.1")


def alive(home: Path) -> dict[str, int] | None:
    """Pid and ports of the process that serves this home, or None."""
    path = home / "servers.lock"
    if not path.exists():
        return None
    with path.open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            note: dict[str, int] | None = read(home / "servers.json")
            return note
    return None


def start(home: Path) -> dict[str, int]:
    """Start the servers detached unless they run; pid and ports. RuntimeError with the end of the log when they do not come up."""
    prepare(home)
    running = alive(home)
    if running is None:
        (home / "servers.json").unlink(missing_ok=True)
        log = home / "servers.log"
        package_root = str(Path(__file__).resolve().parents[1])
        env = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, [package_root, os.environ.get("PYTHONPATH", "")])),
        }
        with log.open("ab") as out:
            child = subprocess.Popen(
                [sys.executable, "-m", "sandbox", "serve", "--home", str(home)],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
                env=env,
                cwd=home,
            )
        limit = time.monotonic() + STARTUP_SECONDS
        while running is None and time.monotonic() < limit and child.poll() is None:
            time.sleep(0.05)
            running = alive(home)
        if running is None:
            raise RuntimeError(f"the sandbox servers did not come up: {log.read_text('utf-8', 'replace')[-2000:]}")
    write_connections(home, running)
    return running


def stop(home: Path) -> bool:
    """Stop the servers of this home; False when none ran."""
    running = alive(home)
    if running is None:
        return False
    os.kill(running["pid"], signal.SIGTERM)
    limit = time.monotonic() + 15
    while alive(home) is not None or _locked(home):
        if time.monotonic() > limit:
            raise RuntimeError(f"the sandbox servers (pid {running['pid']}) did not stop within 15 s")
        time.sleep(0.05)
    return True


def _locked(home: Path) -> bool:
    with (home / "servers.lock").open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def write_connections(home: Path, ports: dict[str, int]) -> None:
    """`connections.env`: one `CREDITFLOW_CONN_<ID>=<url>` a line for every department, readable by the owner only."""
    host_key = base64.b64encode(base64.b64decode((home / "state" / "host_key.pub").read_text().split()[1])).decode()
    urls: dict[str, str] = {f"exchange_{dept}": url for dept, url in exchange.connection_urls(home).items()}
    token = tokens(home)
    host = _place(home)["known_as"]
    for code, dept in departments().items():
        if dept.channel == "sftp":
            urls[f"sftp_{code}"] = (
                f"sftp://{code}@{host}:{ports['sftp']}/?host_key={quote(host_key, safe='')}"
                f"&key_file={quote(str(home / 'keys' / code), safe='')}"
            )
        elif dept.channel == "rest_api":
            urls[f"api_{code}"] = f"http://{token[code]}@{host}:{ports['api']}/{code}"
        elif dept.channel == "manual_upload":
            urls[f"drop_{code}"] = (home / "drop" / code).as_uri()
    path = home / "connections.env"
    draft = path.with_suffix(".tmp")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as out:
        out.writelines(f"CREDITFLOW_CONN_{name.upper()}={url}\n" for name, url in sorted(urls.items()))
    draft.replace(path)
