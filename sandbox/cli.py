"""Commands of the sandbox.

    python -m sandbox up      --home DIR [--exchange-admin-url URL] [--listen ADDRESS --known-as HOST]
                              start the servers (again), write connections.env
    python -m sandbox seed    --home DIR [--scale --years --seed --as-of]  make the world; the same again is nothing new
    python -m sandbox deliver --home DIR [--as-of DAY] [--everybody] [--no-batch-faults]   put out what is due up to a day
                              (scale, years and seed are those of `seed`; given here they change nothing)
    python -m sandbox status  --home DIR        python -m sandbox down --home DIR
    python -m sandbox bulk    --rows N --out DIR [--kind permit|penalty] [--seed S] [--clean]   one big csv for benchmarks

Exit status: 0 done, 1 failed (it says what), 2 wrong usage. Figures go to standard output as one JSON object, progress to
standard error. Times: everything is Asia/Shanghai.
"""

from __future__ import annotations

import argparse
import datetime as dt
import sys
from collections.abc import Sequence
from pathlib import Path

import orjson

from sandbox.store import DEFAULT_DAY, Seed, Store


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sandbox", description="The 43 departments and their external feeds on one machine."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    day = dt.date.fromisoformat

    def command(name: str, text: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=text)
        if name != "bulk":
            made.add_argument("--home", type=Path, required=True)
        return made

    up = command("up", "start the servers and write connections.env")
    up.add_argument("--exchange-admin-url", help="libpq URL of a login that may create databases and roles")
    up.add_argument(
        "--listen", metavar="ADDRESS", help="address to listen on from the next start on (default 127.0.0.1)"
    )
    up.add_argument("--known-as", metavar="HOST", help="name under which clients reach that address")
    seed = command("seed", "make the world")
    for made in (seed, command("deliver", "put out what is due")):
        made.add_argument("--as-of", type=day, default=DEFAULT_DAY)
        made.add_argument("--scale", type=float, default=0.01)
        made.add_argument("--years", type=int, default=1, choices=range(1, 6))
        made.add_argument("--seed", type=int, default=42)
    deliver = commands.choices["deliver"]
    deliver.add_argument("--everybody", action="store_true", help="every department sends, due or not")
    deliver.add_argument("--no-batch-faults", action="store_true", help="no delivery goes wrong as a whole")
    command("down", "stop the servers")
    command("status", "what runs and what was delivered")
    command("serve", "serve in the foreground (what `up` starts)")
    bulk = command("bulk", "write one big csv for benchmarks")
    bulk.add_argument("--rows", type=int, required=True)
    bulk.add_argument("--out", type=Path, required=True)
    bulk.add_argument("--kind", choices=("permit", "penalty"), default="permit")
    bulk.add_argument("--seed", type=int, default=42)
    bulk.add_argument("--clean", action="store_true", help="without injected faults")
    return parser


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def _tell(**figures: object) -> None:
    sys.stdout.write(orjson.dumps(figures).decode() + "\n")
    sys.stdout.flush()


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit status."""
    try:
        args = _parser().parse_args(argv)
    except SystemExit as stop:
        return int(stop.code or 0)
    try:
        return _run(args)
    except (ValueError, RuntimeError, OSError) as problem:
        _say(f"sandbox {args.command}: {problem}")
        return 1


def _run(args: argparse.Namespace) -> int:
    if args.command == "bulk":
        from sandbox.bulk import write_csv

        path = write_csv(args.out, args.rows, kind=args.kind, seed=args.seed, faults=not args.clean)
        _tell(file=str(path), rows=args.rows, bytes=path.stat().st_size)
        return 0
    home: Path = args.home.resolve()
    if args.command == "seed":
        _seed(home, Seed(args.seed, args.scale, args.years, args.as_of.isoformat()))
    elif args.command == "deliver":
        from sandbox.deliver import deliver

        _tell(**deliver(home, args.as_of, say=_say, batch_faults_on=not args.no_batch_faults, everybody=args.everybody))
    elif args.command == "up":
        _up(home, args.exchange_admin_url, args.listen, args.known_as)
    elif args.command == "serve":
        from sandbox import servers

        return servers.run(home)
    elif args.command == "down":
        from sandbox import servers

        _tell(stopped=servers.stop(home))
    else:
        _status(home)
    return 0


def _seed(home: Path, seed: Seed) -> None:
    from sandbox.ledger import Ledger
    from sandbox.world import make

    fresh = Store(home).plant(seed)
    if fresh or not (home / "truth" / "subjects.csv").exists():
        world = make(seed.seed, seed.scale, seed.day)
        Ledger(home).subjects(world)
    planted = Store(home).seed() or seed
    _tell(fresh=fresh, seed=planted.seed, scale=planted.scale, years=planted.years, baseline=planted.baseline)


def _up(home: Path, admin_url: str | None, listen: str | None, known_as: str | None) -> None:
    from sandbox import exchange, servers

    home.mkdir(parents=True, exist_ok=True)
    servers.prepare(home)
    if listen:
        servers.place(home, listen, known_as or listen)
    if admin_url:
        exchange.configure(home, admin_url)
    running = servers.start(home)
    loaded = exchange.load(home, _say)
    _tell(**running, exchange=exchange.reachable(home), loaded=loaded, connections=str(home / "connections.env"))


def _status(home: Path) -> None:
    from sandbox import days, exchange, servers

    store = Store(home)
    seed, through = store.seed(), store.through()
    _tell(
        servers=servers.alive(home),
        exchange=exchange.reachable(home),
        seed=None if seed is None else seed.__dict__,
        delivered_through=None if through is None else days.date(through).isoformat(),
    )
