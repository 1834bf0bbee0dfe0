"""Which locked packages have a known vulnerability, by a copy of an advisory database on this machine.

    python requirements/advisories.py DATABASE      (make advisories DATABASE=...)

DATABASE is a checkout of the Python Packaging Advisory Database, or an OSV export of PyPI: a folder or zip of advisories in
the OSV format (ossf.github.io/osv-schema), YAML or JSON. Nothing is asked over a network, so the answer is as old as the
copy: its newest date is printed. An advisory that a person looked at is named with the reason, and a day on which it is
looked at again, in requirements/advisories-accepted.yml.

Ends with 0: none open; 1: open ones, one line each; 2: no database there, or a file in it that is no advisory.
"""

from __future__ import annotations

import datetime as dt
import json
import re
import sys
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

ACCEPTED = Path("requirements/advisories-accepted.yml")
LOCKS = ("requirements-bootstrap.lock", "requirements.lock", "requirements-dev.lock")
_LOCKED = re.compile(r"^([a-z0-9][a-z0-9.-]*)(?:\[[a-z,]+\])?==([^\s;\\]+)", re.MULTILINE)


class Unreadable(ValueError):
    """The database cannot be used; the message names the file."""


@dataclass(frozen=True, order=True)
class Finding:
    """A locked package and an advisory that speaks of its version. fixed: the lowest later version without it, or blank."""

    package: str
    version: str
    advisory: str
    aliases: tuple[str, ...]
    fixed: str


def locked(folder: Path) -> set[tuple[str, str]]:
    """(name, version) of every package of the locks."""
    return {
        (canonicalize_name(name), version)
        for lock in LOCKS
        for name, version in _LOCKED.findall((folder / lock).read_text(encoding="utf-8"))
    }


def advisories(database: Path) -> Iterator[dict[str, Any]]:
    """Every advisory of a folder or a zip. Raises Unreadable."""
    if database.is_dir():
        files: Iterable[tuple[str, bytes]] = (
            (str(path.relative_to(database)), path.read_bytes())
            for path in sorted(database.rglob("*"))
            if path.is_file() and _told(path.name) and ".git" not in path.parts
        )
    elif zipfile.is_zipfile(database):
        archive = zipfile.ZipFile(database)
        files = ((name, archive.read(name)) for name in sorted(archive.namelist()) if _told(name))
    else:
        raise Unreadable(f"{database}: neither a folder nor a zip of advisories")
    for name, content in files:
        try:
            # the base loader makes texts only: a version such as 2.10 is no number
            read = json.loads(content) if name.endswith(".json") else yaml.load(content, Loader=yaml.CBaseLoader)  # noqa: S506
        except (ValueError, yaml.YAMLError) as error:
            raise Unreadable(f"{name}: not readable as an advisory ({type(error).__name__})") from None
        if isinstance(read, dict) and "affected" in read:
            yield read


def _told(name: str) -> bool:
    return name.endswith((".json", ".yaml", ".yml"))


def matching(packages: set[tuple[str, str]], told: Iterable[Mapping[str, Any]]) -> Iterator[Finding]:
    """Advisories that speak of a package at its locked version; withdrawn ones do not count."""
    versions: dict[str, set[str]] = {}
    for name, version in packages:
        versions.setdefault(name, set()).add(version)
    for advisory in told:
        if advisory.get("withdrawn"):
            continue
        for affected in advisory["affected"]:
            package = affected.get("package", {})
            name = canonicalize_name(str(package.get("name", "")))
            if package.get("ecosystem") != "PyPI":
                continue
            for version in sorted(versions.get(name, ())):
                if _speaks_of(affected, Version(version)):
                    aliases = tuple(sorted(advisory.get("aliases", ())))
                    yield Finding(name, version, str(advisory["id"]), aliases, _fixed(affected, Version(version)))


def _speaks_of(affected: Mapping[str, Any], version: Version) -> bool:
    """By the schema's rule: named in `versions`, or inside a range of `events`."""
    if any(_version(text) == version for text in affected.get("versions", ())):
        return True
    return any(
        _inside(part.get("events", ()), version)
        for part in affected.get("ranges", ())
        if part.get("type") in ("ECOSYSTEM", "SEMVER")
    )


def _inside(events: Iterable[Mapping[str, str]], version: Version) -> bool:
    """Walk a range's events in order of version: the last one at or below the version decides."""
    inside = False
    steps = [(_version(text), kind) for event in events for kind, text in event.items()]
    for at, kind in sorted((step for step in steps if step[0] is not None), key=lambda step: (step[0], step[1])):
        assert at is not None
        if kind == "introduced" and version >= at:
            inside = True
        elif (kind == "fixed" and version >= at) or (kind == "last_affected" and version > at):
            inside = False
    return inside


def _fixed(affected: Mapping[str, Any], version: Version) -> str:
    later = {
        at: event["fixed"]
        for part in affected.get("ranges", ())
        for event in part.get("events", ())
        if "fixed" in event and (at := _version(event["fixed"])) is not None and at > version
    }
    return later[min(later)] if later else ""


def _version(text: str) -> Version | None:
    try:
        return Version(str(text))
    except InvalidVersion:  # a commit, or a version older than the rules for versions
        return None


def accepted(text: str, today: dt.date) -> set[tuple[str, str]]:
    """(package, advisory) that a person accepted until a day not yet over. Raises ValueError for one without a reason."""
    found: set[tuple[str, str]] = set()
    for item in yaml.safe_load(text) or []:
        if not item.get("reason") or not isinstance(item.get("until"), dt.date):
            raise ValueError(f"{ACCEPTED}: {item.get('advisory')}: needs a reason and a day `until`")
        if item["until"] >= today:
            found.add((canonicalize_name(item["package"]), item["advisory"]))
    return found


def main() -> int:
    """Print what is open."""
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    database = Path(sys.argv[1])
    try:
        if not database.exists():
            raise Unreadable(f"{database}: no such file or folder; fetch a copy of the advisory database first")
        told = list(advisories(database))
    except Unreadable as error:
        print(error, file=sys.stderr)
        return 2
    if not told:
        print(f"{database}: holds no advisory", file=sys.stderr)
        return 2
    packages = locked(Path())
    settled = accepted(ACCEPTED.read_text(encoding="utf-8"), dt.datetime.now(tz=dt.UTC).date())
    found = sorted(set(matching(packages, told)))
    for item in found:
        state = "accepted" if (item.package, item.advisory) in settled else "OPEN"
        remedy = f"fixed in {item.fixed}" if item.fixed else "no fixed version known"
        print(f"{state} {item.package} {item.version}: {item.advisory} {' '.join(item.aliases)}; {remedy}")
    unsettled = [item for item in found if (item.package, item.advisory) not in settled]
    newest = max(str(item.get("modified", "")) for item in told)[:10]
    print(f"{len(packages)} packages, {len(told)} advisories up to {newest}: {len(found)} found, {len(unsettled)} open")
    return 1 if unsettled else 0


if __name__ == "__main__":
    sys.exit(main())
