# One image for every part of the platform: Airflow's services, the workers, the sandbox.
# Build behind a package mirror with the usual pip settings (--build-arg PIP_INDEX_URL=..., or a pip.conf in the base image).
FROM python:3.12-slim-bookworm

ARG PIP_INDEX_URL=
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1

RUN useradd --uid 50000 --gid 0 --home-dir /opt/creditflow --no-create-home creditflow \
    && mkdir -p /opt/creditflow /var/lib/creditflow /opt/airflow/logs \
    && chown -R 50000:0 /var/lib/creditflow /opt/airflow

WORKDIR /opt/creditflow
COPY requirements-bootstrap.lock requirements.lock ./
RUN python -m pip install --require-hashes -r requirements-bootstrap.lock \
    && python -m uv pip install --system --require-hashes -r requirements.lock

COPY requirements/link.py requirements/link.py
COPY sources sources
COPY expectations expectations
COPY dbt_project dbt_project
COPY dags dags
COPY sandbox sandbox
COPY creditflow creditflow
COPY deploy/container.sh /usr/local/bin/creditflow-container
RUN python requirements/link.py && python -m compileall -q creditflow sandbox dags && chmod 0755 /usr/local/bin/creditflow-container

ENV CREDITFLOW_PROJECT=/opt/creditflow CREDITFLOW_HOME=/var/lib/creditflow \
    AIRFLOW_HOME=/opt/airflow HOME=/opt/airflow GX_ANALYTICS_ENABLED=false DO_NOT_TRACK=1
USER 50000:0
ENTRYPOINT ["creditflow-container"]
CMD ["airflow", "version"]
