"""SFTP: files with their control file `.ok`, host key pinned, login by key.

Promises
- A data file counts only together with its `.ok` (JSON: rows, sha256), which the department writes last. Without it the
  department is late and nothing is taken; with an unreadable one the file is taken and held.
- The server must show the host key that the connection names; an unknown key is refused, never learned.
- A file that breaks off is fetched again from its start; what is handed over is complete.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
import re
import socket
import stat
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath
from typing import Any, BinaryIO, TypeVar, cast
from urllib.parse import parse_qs, unquote, urlsplit

import paramiko

from creditflow.connectors.delivery import Delivery, FetchError
from creditflow.connectors.naming import name_time, seen_after
from creditflow.connectors.retrying import TransportError, patiently
from creditflow.readers import reason
from creditflow.registry import Department, Feed
from creditflow.settings import Settings

SPOOL = 64 << 20
CHUNK = 1 << 20
TIMEOUT = 30.0

Answer = TypeVar("Answer")
_TRANSPORT = (OSError, EOFError, paramiko.SSHException)


@dataclass(frozen=True)
class _Remote:
    """A file on the server: name, and a stamp that changes with it."""

    name: str
    size: int
    stamp: str


def fetch_sftp(
    settings: Settings, department: Department, feed: Feed, watermark: dict[str, Any] | None, as_of: dt.date
) -> Iterator[Delivery]:
    """New files of the feed's folder, by name. watermark: {"seen": {name: size and time}}. Raises FetchError."""
    url = settings.credential(department.connection)
    folder = str(PurePosixPath(unquote(urlsplit(url).path) or "/") / feed.location.get("folder", feed.name))
    seen: dict[str, str] = dict((watermark or {}).get("seen", {}))
    server = _Server(url)
    try:
        for data, control in _pairs(server.do(partial(_list, folder)), feed.location.get("prefix", "").upper()):
            if seen.get(data.name) == data.stamp:
                continue
            if control is None:
                yield _late(data.name)
                continue
            content, declared = server.do(partial(_download, folder, data, control))
            seen = seen_after(seen, data.name, data.stamp)
            told, problem = _read_control(declared, control.name)
            yield Delivery(
                file=data.name,
                stream=content,
                declared_rows=told.rows,
                declared_sha256=told.sha256,
                produced=told.produced,
                delivered_at=name_time(data.name, settings.zone),
                watermark_after={"seen": seen},
                problem=problem,
            )
    except TransportError as problem:
        raise FetchError(problem.zh, problem.en) from None
    finally:
        server.close()


def _pairs(listing: list[_Remote], prefix: str) -> list[tuple[_Remote, _Remote | None]]:
    controls = {item.name: item for item in listing if item.name.lower().endswith(".ok")}
    pairs = []
    for item in sorted(listing, key=lambda found: found.name):
        if item.name in controls or item.name.startswith(".") or not item.name.upper().startswith(prefix):
            continue
        stem = item.name.rsplit(".", 1)[0]
        pairs.append((item, controls.get(f"{stem}.ok") or controls.get(f"{item.name}.ok")))
    return pairs


def _late(name: str) -> Delivery:
    return Delivery(
        file=name,
        stream=None,
        problem=reason(
            "control_missing",
            f"数据文件 {name} 缺少控制文件（.ok），暂未接收；请补传控制文件",
            f"{name} has no control file (.ok) and was not taken: send the control file",
        ),
    )


@dataclass(frozen=True)
class _Control:
    """What a control file says: control totals, and how many decisions the department produced by month."""

    rows: int | None = None
    sha256: str | None = None
    produced: dict[str, int] | None = None


_month = re.compile(r"20\d\d-(0[1-9]|1[0-2])", re.ASCII).fullmatch


def _read_control(content: bytes, name: str) -> tuple[_Control, dict[str, Any] | None]:
    """(what it says, problem) of a control file: JSON with rows, sha256 and, where the department tells, produced."""
    try:
        document = json.loads(content.decode("utf-8-sig"))
        rows, digest = int(document["rows"]), str(document["sha256"]).strip().lower()
        if rows < 0 or len(digest) != 64 or digest.strip("0123456789abcdef"):
            raise ValueError
        produced = document.get("produced")
        if produced is not None:
            produced = {str(month): int(count) for month, count in produced.items()}
            if any(not _month(month) or not 0 <= count < 10_000_000 for month, count in produced.items()):
                raise ValueError
    except (ValueError, KeyError, TypeError, AttributeError):
        return _Control(), reason(
            "control_unreadable",
            f"控制文件 {name} 缺少行数或 SHA-256，或格式有误；请重新生成后与数据文件一并报送",
            f"the control file {name} lacks rows or sha256, or is damaged: send both files again",
        )
    return _Control(rows, digest, produced), None


def _list(folder: str, sftp: paramiko.SFTPClient) -> list[_Remote]:
    try:
        entries = sftp.listdir_attr(folder)
    except FileNotFoundError:
        return []
    except PermissionError:
        raise FetchError(f"SFTP 目录 {folder} 无读取权限", f"no permission to read the SFTP folder {folder}") from None
    return [
        _Remote(entry.filename, entry.st_size or 0, f"{entry.st_size}-{entry.st_mtime}")
        for entry in entries
        if entry.st_mode is None or stat.S_ISREG(entry.st_mode)
    ]


def _download(folder: str, data: _Remote, control: _Remote, sftp: paramiko.SFTPClient) -> tuple[BinaryIO, bytes]:
    """(the data file from its start, the control file). A file shorter than announced is a transport error."""
    with sftp.open(f"{folder}/{control.name}", "rb") as source:
        declared = source.read(1 << 16)
    spool = tempfile.SpooledTemporaryFile(SPOOL)  # noqa: SIM115 - handed over
    received = 0
    with sftp.open(f"{folder}/{data.name}", "rb") as source:
        source.prefetch(data.size)
        while chunk := source.read(CHUNK):
            spool.write(chunk)
            received += len(chunk)
    if received != data.size:
        raise TransportError(f"文件 {data.name} 传输中断", f"{data.name} broke off during transfer")
    spool.seek(0)
    return cast("BinaryIO", spool), declared


class _Server:
    """One session with the server, opened when first needed and again after it broke off."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._transport: paramiko.Transport | None = None
        self._session: paramiko.SFTPClient | None = None

    def do(self, action: Callable[[paramiko.SFTPClient], Answer]) -> Answer:
        """The action's result; again, in a new session, when the connection fails. Raises FetchError when refused."""
        return patiently(partial(self._once, action))

    def close(self) -> None:
        """End the session."""
        if self._transport is not None:
            self._transport.close()
        self._transport = self._session = None

    def _once(self, action: Callable[[paramiko.SFTPClient], Answer]) -> Answer:
        parts = urlsplit(self._url)
        place = f"{parts.hostname}:{parts.port or 22}"
        try:
            if self._session is None:
                self._session = self._open(parts.hostname or "", parts.port or 22)
            return action(self._session)
        except paramiko.AuthenticationException:
            self.close()
            raise FetchError(
                f"SFTP 登录被拒绝（{place}），请核对密钥", f"the SFTP server {place} refused the login: check the key"
            ) from None
        except FileNotFoundError:
            raise TransportError("文件在传输前被移走", "a file vanished before it was fetched") from None
        except PermissionError:
            raise FetchError(
                "SFTP 文件无读取权限，请部门核对", "no permission to read the file on the SFTP server"
            ) from None
        except _TRANSPORT as problem:
            self.close()
            raise TransportError(
                f"SFTP 服务器 {place} 连接失败或中断", f"the SFTP server {place} was not reached or broke off"
            ) from problem

    def _open(self, host: str, port: int) -> paramiko.SFTPClient:
        parts = urlsplit(self._url)
        options = parse_qs(parts.query)
        self._transport = paramiko.Transport(socket.create_connection((host, port), timeout=TIMEOUT))
        self._transport.banner_timeout = self._transport.auth_timeout = TIMEOUT
        self._transport.start_client(timeout=TIMEOUT)
        _check_host_key(self._transport, options, f"{host}:{port}")
        self._transport.auth_publickey(unquote(parts.username or ""), _login_key(options))
        session = paramiko.SFTPClient.from_transport(self._transport)
        if session is None:
            raise TransportError("SFTP 会话未能建立", "the SFTP session could not be opened")
        cast("Any", session.get_channel()).settimeout(TIMEOUT * 2)
        return session


def _check_host_key(client: paramiko.Transport, options: dict[str, list[str]], place: str) -> None:
    pinned = options.get("host_key", [""])[0]
    shown = client.get_remote_server_key().asbytes()
    if not pinned or base64.b64decode(pinned) != shown:
        raise FetchError(
            f"SFTP 服务器 {place} 的主机密钥与登记不符，已拒绝连接；请与部门核实",
            f"the SFTP server {place} does not show the registered host key, refused: ask the department",
        )


def _login_key(options: dict[str, list[str]]) -> paramiko.PKey:
    path = options.get("key_file", [""])[0]
    try:
        return paramiko.PKey.from_path(path)
    except (OSError, paramiko.SSHException, ValueError, paramiko.pkey.UnknownKeyType):
        raise FetchError(
            "SFTP 登录密钥无法读取，请检查 key_file", "the SFTP login key cannot be read: check key_file"
        ) from None
