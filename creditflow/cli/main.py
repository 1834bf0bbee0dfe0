"""The group of all commands, and what happens to an error."""

from __future__ import annotations

import logging
import os
import sys

import click

from creditflow import __version__
from creditflow.cli.deciding import decide, review
from creditflow.cli.documents import docs
from creditflow.cli.flow import build, diff, drop, gate, ingest, publish, rollback
from creditflow.cli.history import rebuild, replay
from creditflow.cli.installation import doctor, down, dsn, psql, sandbox, up
from creditflow.cli.keeping import backup, keys, metrics, restore, retention
from creditflow.cli.nightly import night
from creditflow.cli.reading import report, sources, thresholds
from creditflow.failure import places, tell

NOISY = ("httpx", "httpcore", "paramiko", "asyncssh", "great_expectations")


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="creditflow")
@click.option("--verbose", "-v", is_flag=True, help="Tell every step on standard error.")
def creditflow(verbose: bool) -> None:
    """A city's public-credit pipeline and warehouse: 43 departments, every night.

    \b
    A first look:      creditflow night
    The day after:     creditflow night --as-of 2026-11-21
    Ask the warehouse: creditflow psql
    """
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO if verbose else logging.WARNING,
        format="%(asctime)s %(levelname)-7s %(name)s: %(message)s",
    )
    for handler in logging.getLogger().handlers:
        handler.addFilter(lambda record: record.levelno >= logging.WARNING or not record.name.startswith(NOISY))
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    os.environ.setdefault("DO_NOT_TRACK", "1")


for _command in (
    sources,
    thresholds,
    sandbox,
    ingest,
    drop,
    gate,
    build,
    publish,
    rollback,
    diff,
    rebuild,
    replay,
    night,
    report,
    decide,
    review,
    up,
    down,
    dsn,
    psql,
    doctor,
    docs,
    keys,
    retention,
    backup,
    restore,
    metrics,
):
    creditflow.add_command(_command)


def main(arguments: list[str] | None = None) -> int:
    """Run one command; its exit status."""
    try:
        result = creditflow.main(args=arguments, prog_name="creditflow", standalone_mode=False)
    except click.ClickException as problem:
        problem.show()
        return 2 if isinstance(problem, click.UsageError) else 1
    except (click.Abort, KeyboardInterrupt):
        click.echo("中止 / stopped", err=True)
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    except Exception as problem:  # noqa: BLE001 - the last resort: a person sees a sentence, not a trace
        return _told(problem)
    return result if isinstance(result, int) else 0


def _told(problem: Exception) -> int:
    click.echo(f"creditflow: {tell(problem)}", err=True)
    logging.getLogger(__name__).info("trace:\n%s", places(problem))
    return 1
