"""What a warehouse URL says about TLS holds for dbt's connections as for ours."""

from __future__ import annotations

from pathlib import Path

import pytest

from creditflow.settings import Settings
from creditflow.warehouse.dbt import environment
from tests.conftest import PROJECT

NAMES = ("CREDITFLOW_DBT_SSLMODE", "PGSSLROOTCERT", "PGSSLCERT", "PGSSLKEY", "PGSSLCRL")


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("", {"CREDITFLOW_DBT_SSLMODE": "prefer"}),
        (
            "?sslmode=verify-full&sslrootcert=/run/ca.pem&sslcert=/run/me.crt&sslkey=/run/me.key&sslcrl=/run/gone.crl",
            {
                "CREDITFLOW_DBT_SSLMODE": "verify-full",
                "PGSSLROOTCERT": "/run/ca.pem",
                "PGSSLCERT": "/run/me.crt",
                "PGSSLKEY": "/run/me.key",
                "PGSSLCRL": "/run/gone.crl",
            },
        ),
    ],
    ids=["without", "with"],
)
def test_dbt_checks_the_server_as_the_warehouse_url_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, query: str, told: dict[str, str]
) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    url = f"postgresql://creditflow:secret@warehouse.example:5432/creditflow{query}"
    environ = environment(Settings(tmp_path, PROJECT, "memory://unused", external_warehouse=url))
    assert {name: environ[name] for name in NAMES if name in environ} == told
