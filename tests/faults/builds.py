"""Builds of a small warehouse that are disturbed on purpose, and what readers must see meanwhile and afterwards."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from creditflow import warehouse
from creditflow.ingest import ingest_department
from creditflow.quality import gate
from creditflow.settings import Settings
from tests.faults.night import AS_OF, Ended, Town, Trap, apart, differences
from tests.faults.sources import API, DATABASE, SFTP
from tests.warm import dbt_here, fork_dbt, parsed

NAME = "faults_built"
"""One database and one folder for all builds, one after the other: where their name changes, dbt parses the project anew."""
READY = "faults_ready"
NEXT = AS_OF + dt.timedelta(days=1)


def ready(town: Town) -> str:
    """Name of a template in which the code has built once, of nothing: views and rules are in place."""
    if not (town.folder / f"{READY}_home").exists():
        settings = town.fresh(NAME)

        def build() -> None:
            fork_dbt()
            day = AS_OF - dt.timedelta(days=1)
            warehouse.publish(settings, warehouse.build(settings, day).build_no)

        ended = apart(build)
        assert ended.how == "done", ended
        town.keep(settings, READY)
    return READY


@dataclass
class Built:
    """A warehouse after its first build, with a second night's deliveries accepted. Each case begins with a copy.

    manifest: the project, parsed. seconds, statements: of an undisturbed
    second build, dbt_statements: those of dbt. before, after: what readers see without and with it.
    """

    town: Town
    manifest: Any = None
    seconds: float = 0.0
    statements: int = 0
    dbt_statements: int = 0
    before: dict[str, list[str]] = field(default_factory=dict)
    after: dict[str, list[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, town: Town) -> Built:
        """Two departments built, a third one waiting; and what an undisturbed second build shows."""
        found = cls(town)
        settings = town.fresh(NAME, ready(town))

        def first() -> None:
            fork_dbt()
            for code in (SFTP, API):
                ingest_department(settings, town.registry, code, AS_OF)
            gate(settings, town.registry)
            warehouse.publish(settings, warehouse.build(settings, AS_OF).build_no)
            ingest_department(settings, town.registry, DATABASE, AS_OF)
            gate(settings, town.registry)

        ended = apart(first)
        assert ended.how == "done", ended
        town.keep(settings, f"{NAME}_template")
        settings = found.fresh()
        found.manifest = parsed(settings)
        with dbt_here():
            found.build(settings)
        settings = found.fresh()
        found.before = town.shown(settings)
        found._measure(settings)
        found.after = town.shown(settings)
        assert differences(found.before, found.after), "the second build changes something"
        return found

    def _measure(self, settings: Settings) -> None:
        told = settings.home / "statements"

        def counted() -> str:
            inside = Trap(told=told)
            fork_dbt(inside.spring)
            trap = Trap()
            trap.spring()
            self.build(settings)
            return str(trap.steps)

        ended = apart(counted)
        assert ended.how == "done", ended
        self.seconds, self.statements = ended.seconds, int(ended.told)
        self.dbt_statements = told.stat().st_size

    def fresh(self) -> Settings:
        """As before the second build."""
        return self.town.fresh(NAME, f"{NAME}_template")

    def build(self, settings: Settings) -> None:
        """The second build, shown to readers."""
        warehouse.publish(settings, warehouse.build(settings, NEXT).build_no)


class Disturbed:
    """A second build that is disturbed, and what must be so afterwards."""

    def __init__(self, built: Built) -> None:
        self.built = built
        self.settings = built.fresh()

    def by(
        self,
        here: Callable[[], None] = lambda: None,
        *,
        in_dbt: Callable[[], None] = lambda: None,
        kill_after: float | None = None,
        alone: bool = False,
        manifest: Any = None,
    ) -> Ended:
        """The build, in a process group of its own. here, in_dbt: run first in its process, and in dbt's."""

        def build() -> None:
            fork_dbt(in_dbt, manifest)
            here()
            self.built.build(self.settings)

        return apart(build, kill_after=kill_after, alone=alone)

    def in_dbt(self, seed: str) -> int:
        """A statement of dbt; one that every run of it comes to, for its threads do not always send the same number."""
        return random.Random(seed).randint(1, self.built.dbt_statements * 9 // 10)

    def leaves_no_trace(self) -> None:
        """Until the next build readers see the old state or the new one, nothing between; after it the new one."""
        now = self.built.town.shown(self.settings)
        between = [differences(state, now) for state in (self.built.before, self.built.after)]
        assert [] in between, "\n".join(between[0][:10])
        again = self.by(manifest=self.built.manifest)
        assert again.how == "done", again
        left = differences(self.built.after, self.built.town.shown(self.settings))
        assert not left, "\n".join(left[:20])
