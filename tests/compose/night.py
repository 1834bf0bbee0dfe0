"""The deployment, brought up for real: one night of the pretended city in containers, with a worker killed in a task.

    make test-compose                 needs a container engine with compose 2.24 or newer; brings everything up under the
    make test-compose ARGS=--keep     project name creditflow-test, on ports of its own, and removes it afterwards

What it sees: every service healthy; the report site closed without a login and open with one, over TLS too; Airflow's roles; a department
that exchanges through MySQL's protocol; a night shared by two Celery workers of which one is killed in the middle of a
department; every row that the departments delivered accounted for; the killed worker's department run again; the restart of
everything with its data. Exit status 0 and a last line `passed`, or the first thing that was not so.
"""

from __future__ import annotations

import argparse
import csv
import datetime as dt
import io
import json
import re
import ssl
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PROJECT = Path(__file__).resolve().parents[2]
NAME = "creditflow-test"
SITE, AIRFLOW, TLS = "127.0.0.1:18181", "127.0.0.1:18180", "127.0.0.1:18443"
AS_OF = "2026-11-20"
ON_MYSQL = "zsj"
SETTINGS = {
    "SITE_BIND": SITE,
    "AIRFLOW_BIND": AIRFLOW,
    "SITE_TLS_BIND": TLS,
    "CREDITFLOW_SCHEDULES": "off",
    "CREDITFLOW_RETRY_SECONDS": "5",
    "TASK_HEARTBEAT_TIMEOUT": "40",
    "SANDBOX_AS_OF": AS_OF,
    "SANDBOX_SCALE": "0.003",
    "WAREHOUSE_SHARED_BUFFERS": "256MB",
}
PATIENCE_SECONDS = 1800


class NotSo(Exception):
    """Something that must hold does not."""


def say(text: str) -> None:
    """One line of progress."""
    sys.stdout.write(f"[{time.monotonic() - STARTED:5.0f} s] {text}\n")
    sys.stdout.flush()


def check(holds: object, what: str) -> None:
    """Say `what` when it holds. Raises NotSo."""
    if not holds:
        raise NotSo(what)
    say(f"ok: {what}")


def until(condition: Callable[[], Any], what: str) -> Any:
    """Wait for a true answer and return it. Raises NotSo."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise NotSo(f"{what}: not within {PATIENCE_SECONDS} s")
        time.sleep(0.5)
    return found


class Deployment:
    """The compose project of this test. env_file: its settings."""

    def __init__(self, env_file: Path) -> None:
        self._command = [
            "docker",
            "compose",
            "-p",
            NAME,
            "--env-file",
            str(env_file),
            "--project-directory",
            str(PROJECT),
        ]
        for file in ("docker-compose.yml", "deploy/compose.tls.yml"):
            self._command += ["-f", str(PROJECT / file)]
        self._command += ["--profile", "sandbox", "--profile", "mariadb"]

    def command(self, *arguments: str) -> list[str]:
        """A docker compose command line on this project."""
        return [*self._command, *arguments]

    def run(self, *arguments: str, stdin: str | None = None, quiet: bool = True) -> str:
        """Run one; what it printed. Raises NotSo with the end of what it said."""
        done = subprocess.run(
            self.command(*arguments), input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE if quiet else None,
            text=True, check=False, cwd=PROJECT,
        )  # fmt: skip
        if done.returncode != 0:
            raise NotSo(f"docker compose {' '.join(arguments[:4])}: {(done.stderr or done.stdout)[-2000:]}")
        return done.stdout

    def inside(self, service: str, *arguments: str, stdin: str | None = None) -> str:
        """Run a command of the image in a running service."""
        return self.run("exec", "-T", service, "creditflow-container", *arguments, stdin=stdin)

    def sql(self, statement: str, service: str = "warehouse") -> list[list[str]]:
        """Rows of a statement on one of the PostgreSQL servers."""
        user = {"warehouse": "creditflow", "metadata": "airflow", "exchange": "exchange"}[service]
        database = "exchange" if service == "exchange" else user
        printed = self.run(
            "exec", "-T", service, "psql", "-h", "/var/run/postgresql", "-U", user, "-d", database, "--csv", "-t",
            "-v", "ON_ERROR_STOP=1", "-c", statement,
        )  # fmt: skip
        return list(csv.reader(io.StringIO(printed)))

    def mariadb(self, statements: str) -> str:
        """Run statements on the MySQL-protocol server as its root."""
        shell = "MYSQL_PWD=$(cat /run/creditflow/mariadb/password) exec mariadb --default-character-set=utf8mb4 -u root"
        return self.run("exec", "-T", "mariadb", "sh", "-c", shell, stdin=statements)


def services_are_up(deployment: Deployment) -> dict[str, str]:
    """Brings everything up; the first logins."""
    deployment.run("up", "-d", "--build", "--pull", "never", "--wait", "--wait-timeout", "1500", quiet=False)
    states = [json.loads(line) for line in deployment.run("ps", "--format", "json").splitlines()]
    unwell = {item["Name"]: item["Status"] for item in states if item["Health"] != "healthy"}
    check(states and not unwell, f"{len(states)} containers are healthy {unwell or ''}")
    printed = deployment.run("run", "--rm", "-T", "secrets", "logins")
    logins = dict(line.split("\t") for line in printed.splitlines() if "\t" in line)
    check(set(logins) == {"engineer", "credit_office"}, "the first logins are shown to who asks on this host")
    logs = deployment.run("logs", "--no-color")
    check(not any(word in logs for word in logins.values()), "no login stands in any container's log")
    for service in ("worker", "warehouse", "redis", "site", "mariadb"):
        who = deployment.run("exec", "-T", service, "id", "-u").strip()
        check(who != "0", f"{service} runs as user {who}")
    return logins


def the_site_is_closed(logins: dict[str, str]) -> None:
    """401 for nobody and for a wrong password."""
    url = f"http://{SITE}/"
    check(httpx.get(url, trust_env=False).status_code == 401, "the report site says 401 without a login")
    wrong = httpx.get(url, auth=("credit_office", "falsch"), trust_env=False)
    check(wrong.status_code == 401, "the report site says 401 to a wrong password")
    secret = httpx.get(url + "keys/person.json", auth=("credit_office", logins["credit_office"]), trust_env=False)
    check(secret.status_code == 404, "the report site has nothing but pages")


def certificate(folder: Path) -> Path:
    """A key and a certificate for this machine, signed by itself, where compose.tls.yml looks for them; the certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "creditflow test")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    folder.mkdir(mode=0o755)
    (folder / "site.crt").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "site.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    (folder / "site.key").chmod(0o644)  # of a test, for a day: the user of nginx is no user of this machine
    return folder / "site.crt"


def the_site_over_tls(logins: dict[str, str], trusted: Path) -> None:
    """The same over TLS, closed in the same way."""
    with httpx.Client(verify=ssl.create_default_context(cafile=str(trusted)), trust_env=False) as client:
        check(client.get(f"https://{TLS}/").status_code == 401, "the report site says 401 over TLS without a login")
        page = client.get(f"https://{TLS}/", auth=("credit_office", logins["credit_office"]))
        check(page.status_code == 200 and "市公安局" in page.text, "the morning page is there over TLS")


def the_site_is_open(logins: dict[str, str]) -> None:
    """200 with the login, and the night's page."""
    page = httpx.get(f"http://{SITE}/", auth=("credit_office", logins["credit_office"]), trust_env=False)
    check(page.status_code == 200, "the report site says 200 to the credit office")
    check("市公安局" in page.text and AS_OF in page.text, "the morning page of the night is there")
    check("default-src 'self'" in page.headers["content-security-policy"], "the page may load from itself only")


def roles(logins: dict[str, str]) -> None:
    """What each login may do in Airflow."""

    def as_login(name: str) -> httpx.Client:
        client = httpx.Client(base_url=f"http://{AIRFLOW}", trust_env=False, timeout=60)
        body = {"username": name, "password": logins[name]}
        token = client.post("/auth/token", json=body).raise_for_status().json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        return client

    start = {"logical_date": None, "conf": {"as_of": AS_OF}}
    with closing(as_login("credit_office")) as office, closing(as_login("engineer")) as engineer:
        check(office.get("/api/v2/dags").status_code == 200, "the credit office sees the DAGs")
        check(office.get("/api/v2/dags/~/dagRuns").status_code == 200, "the credit office sees their runs")
        answer = office.post("/api/v2/dags/registry_health/dagRuns", json=start)
        check(answer.status_code == 403, "the credit office starts nothing")
        check(office.get("/api/v2/connections").status_code == 403, "the credit office reads no connection")
        check(engineer.get("/api/v2/connections").status_code == 200, "the engineer reads connections")
        pools = {item["name"] for item in engineer.get("/api/v2/pools").json()["pools"]}
        wanted = set(json.loads((PROJECT / "dags" / "pools.json").read_text(encoding="utf-8")))
        check(pools >= wanted, f"there is a pool for each channel: {', '.join(sorted(wanted))}")
        answer = engineer.post("/api/v2/dags/registry_health/dagRuns", json=start)
        check(answer.status_code == 200, "the engineer starts a run")
    nobody = httpx.get(f"http://{AIRFLOW}/api/v2/dags", trust_env=False)
    check(nobody.status_code == 401, "Airflow says 401 without a login")


def one_department_moves_to_mysql(deployment: Deployment) -> None:
    """Copy a department's exchange tables to the MySQL-protocol server and point its connection there."""
    password = "for-the-pretended-department"
    columns: dict[str, list[str]] = {}
    for table, column in deployment.sql(
        f"select table_name, column_name from information_schema.columns where table_schema = '{ON_MYSQL}'"
        " order by table_name, ordinal_position",
        "exchange",
    ):
        columns.setdefault(table, []).append(column)
    script = [f"create database {ON_MYSQL} character set utf8mb4; use {ON_MYSQL}; set time_zone = '+08:00';"]
    script.append(f"create user '{ON_MYSQL}'@'%' identified by '{password}';")
    script.append(f"grant select on {ON_MYSQL}.* to '{ON_MYSQL}'@'%';")
    kinds = {"seq": "bigint primary key", "op": "char(1)", "updated_at": "datetime", "status": "varchar(10)"}
    rows = 0
    for table, names in columns.items():
        fields = ", ".join(f"`{name}` {kinds.get(name, 'text')}" for name in names)
        script.append(f"create table `{table}` ({fields});")
        script.append(f"grant update (status) on {ON_MYSQL}.`{table}` to '{ON_MYSQL}'@'%';")
        chosen = ", ".join(
            "to_char(updated_at at time zone 'Asia/Shanghai', 'YYYY-MM-DD HH24:MI:SS')" if name == "updated_at"
            else f'"{name}"' for name in names
        )  # fmt: skip
        for row in deployment.sql(f'select {chosen} from {ON_MYSQL}."{table}" order by seq', "exchange"):
            cells = ", ".join("'" + cell.replace("\\", "\\\\").replace("'", "''") + "'" for cell in row)
            script.append(f"insert into `{table}` values ({cells});")
            rows += 1
    deployment.mariadb("\n".join(script))
    deployment.sql(f"drop schema {ON_MYSQL} cascade", "exchange")
    url = f"mysql://{ON_MYSQL}:{password}@mariadb:3306/{ON_MYSQL}"
    deployment.inside("scheduler", "airflow", "connections", "add", f"exchange_{ON_MYSQL}", "--conn-uri", url)
    check(rows > 0, f"{ON_MYSQL} exchanges {rows} rows through MySQL's protocol now, by an Airflow connection")


@contextmanager
def batches_locked(deployment: Deployment) -> Iterator[None]:
    """Hold the lock that every ingest needs, so that workers stand in the middle of a department."""
    name = "test holds the workers"
    statement = (
        f"set application_name = '{name}'; begin; lock table ops.batch in access exclusive mode; select pg_sleep(600)"
    )
    psql = ["psql", "-q", "-h", "/var/run/postgresql", "-U", "creditflow", "-d", "creditflow", "-c", statement]
    held = subprocess.Popen(
        deployment.command("exec", "-T", "warehouse", *psql), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        until(
            lambda: deployment.sql(
                "select 1 from pg_locks where relation = 'ops.batch'::regclass and granted"
                " and mode = 'AccessExclusiveLock'"
            ),
            "the lock on the batches",
        )
        yield
    finally:
        deployment.sql(f"select pg_terminate_backend(pid) from pg_stat_activity where application_name = '{name}'")
        held.wait()


def a_night_with_a_killed_worker(deployment: Deployment) -> dict[str, Any]:
    """Run the night, kill one worker while both stand in a department; the night's summary."""
    with tempfile.TemporaryFile("w+") as printed, tempfile.TemporaryFile("w+") as told:
        command = deployment.command(
            "exec", "-T", "triggerer", "creditflow-container", "creditflow", "night", "--real", "--as-of", AS_OF, "--json"
        )  # fmt: skip
        night = subprocess.Popen(command, stdout=printed, stderr=told, stdin=subprocess.DEVNULL)
        working = (
            "select distinct hostname from task_instance where state = 'running' and dag_id ~ '^(ingest|external)__'"
        )
        until(lambda: deployment.sql(working, "metadata") or night.poll() is not None, "the first department")
        with batches_locked(deployment):
            hosts = until(lambda: len(found := deployment.sql(working, "metadata")) == 2 and found, "both workers work")
            waiting = "select count(*) from pg_locks where relation = 'ops.batch'::regclass and not granted"
            until(lambda: int(deployment.sql(waiting)[0][0]) >= 2, "both stand in the middle of a department")
            victim = hosts[0][0]
            container = container_of(deployment, victim)
            cut_off = deployment.sql(
                f"select dag_id, run_id from task_instance where state = 'running' and hostname = '{victim}'",
                "metadata",
            )
            subprocess.run(["docker", "kill", container], check=True, stdout=subprocess.DEVNULL)
        say(f"killed one worker in the middle of {', '.join(dag for dag, _ in cut_off)}")
        status = night.wait()
        printed.seek(0)
        told.seek(0)
        if status != 0:
            raise NotSo(f"the night ended with {status}: {printed.read()[-500:]} {told.read()[-3000:]}")
        summary: dict[str, Any] = json.load(printed)
    for dag, run in cut_off:
        ((tries, state),) = deployment.sql(
            f"select try_number, state from task_instance where dag_id = '{dag}' and run_id = '{run}'", "metadata"
        )
        check(int(tries) > 1 and state == "success", f"{dag} was run again (try {tries}) and succeeded")
    return summary


def container_of(deployment: Deployment, hostname: str) -> str:
    """The worker container that calls itself `hostname`."""
    for container in deployment.run("ps", "-q", "worker").split():
        shape = "{{.Config.Hostname}} {{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
        told = subprocess.run(["docker", "inspect", "-f", shape, container], capture_output=True, text=True, check=True)
        if hostname in told.stdout.split():
            return container
    raise NotSo(f"no worker calls itself {hostname}")


def nothing_is_lost(deployment: Deployment, summary: dict[str, Any]) -> None:
    """Every row the departments delivered is accounted for, once."""
    check(summary["problems"] == [], "the night had no problem")
    check(sum(not item["external"] for item in summary["departments"]) == 43, "43 departments are in the summary")
    ledger = deployment.run("exec", "-T", "sandbox", "cat", "/var/lib/creditflow/sandbox/truth/deliveries.csv")
    delivered: Counter[str] = Counter()
    for line in csv.DictReader(io.StringIO(ledger)):
        delivered[line["department"]] += int(line["rows"])
    read = {
        item["code"]: sum(batch["rows_read"] for batch in item["batches"]) for item in summary["departments"]
    }  # fmt: skip
    wrong = {code: (rows, read.get(code)) for code, rows in delivered.items() if read.get(code) != rows}
    check(not wrong, f"the {sum(delivered.values())} rows delivered are the rows read {wrong or ''}")
    unequal = deployment.sql(
        "select count(*) from ops.batch where rows_read is distinct from"
        " rows_accepted + rows_rejected + rows_held + rows_out_of_scope + rows_duplicate"
    )
    check(unequal == [["0"]], "every batch reconciles")
    mysql = [batch for item in summary["departments"] if item["code"] == ON_MYSQL for batch in item["batches"]]
    check(mysql and all(batch["rows_read"] for batch in mysql), f"{ON_MYSQL} was read through MySQL's protocol")
    left = deployment.mariadb(f"select count(*) from {ON_MYSQL}.permit where status = 'new'").split()[-1]
    check(left == "0", f"{ON_MYSQL} was told what was taken")
    check(summary["publish"]["score"] > 0, f"{summary['publish']['score']} scores are published")


def data_survives_a_restart(deployment: Deployment) -> None:
    """Down and up again with the same volumes."""
    scores = "select subject_id, score, grade from publish.score order by 1, 2, 3"
    before = deployment.sql(scores)
    deployment.run("down", "--timeout", "30")
    deployment.run("up", "-d", "--pull", "never", "--wait", "--wait-timeout", "1500")
    check(deployment.sql(scores) == before, f"after down and up the {len(before)} published scores are the same")


def main() -> int:
    """Run it all; the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--keep", action="store_true", help="leave the containers and volumes for a look")
    keep = parser.parse_args().keep
    with tempfile.TemporaryDirectory(prefix="creditflow-compose-") as folder:
        Path(folder).chmod(0o755)
        trusted = certificate(Path(folder) / "tls")
        settings = {**settings_with_mirrors(), "SITE_TLS_FOLDER": str(trusted.parent)}
        env_file = Path(folder) / "env"
        env_file.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
        deployment = Deployment(env_file)
        try:
            deployment.run("down", "-v")
            logins = services_are_up(deployment)
            the_site_is_closed(logins)
            roles(logins)
            one_department_moves_to_mysql(deployment)
            nothing_is_lost(deployment, a_night_with_a_killed_worker(deployment))
            the_site_is_open(logins)
            the_site_over_tls(logins, trusted)
            data_survives_a_restart(deployment)
            the_site_is_open(logins)
        except NotSo as problem:
            say(f"NOT SO: {problem}")
            return 1
        finally:
            if not keep:
                deployment.run("down", "-v", "--timeout", "10")
    say("passed")
    return 0


def settings_with_mirrors() -> dict[str, str]:
    """This test's settings, and the mirrors of .env where there is one."""
    mirrors = (
        "PIP_INDEX_URL",
        "PIP_EXTRA_INDEX_URL",
        "PYTHON_IMAGE",
        "POSTGRES_IMAGE",
        "REDIS_IMAGE",
        "NGINX_IMAGE",
        "MARIADB_IMAGE",
    )
    own = PROJECT / ".env"
    text = own.read_text(encoding="utf-8") if own.exists() else ""
    found = dict(re.findall(r"^([A-Z_]+)=(.*)$", text, re.MULTILINE))
    return {**SETTINGS, **{name: found[name] for name in mirrors if name in found}}


STARTED = time.monotonic()

if __name__ == "__main__":
    sys.exit(main())
