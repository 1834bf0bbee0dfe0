# One image for every part of the platform: Airflow's services, the workers, the sandbox.
# Behind mirrors: --build-arg PYTHON_IMAGE=registry.example/python:3.12-slim-bookworm --build-arg PIP_INDEX_URL=...
# (docker-compose.yml takes both from .env). Everything is installed here; nothing is downloaded at run time.
ARG PYTHON_IMAGE=python:3.12-slim-bookworm
FROM ${PYTHON_IMAGE}

ARG PIP_INDEX_URL=
ARG PIP_EXTRA_INDEX_URL=
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 UV_NO_CACHE=1 PIP_DISABLE_PIP_VERSION_CHECK=1

RUN useradd --uid 50000 --gid 0 --home-dir /opt/airflow --no-create-home creditflow \
    && mkdir -p /opt/creditflow /opt/airflow/logs /var/lib/creditflow/site \
    && chown -R 50000:0 /var/lib/creditflow /opt/airflow

WORKDIR /opt/creditflow
COPY requirements-bootstrap.lock requirements.lock ./
COPY requirements requirements
RUN python -m pip install --quiet --root-user-action=ignore --require-hashes -r requirements-bootstrap.lock \
    && PYTHON=python requirements/install.sh /usr/local requirements.lock

COPY sources sources
COPY expectations expectations
COPY dbt_project dbt_project
COPY dags dags
COPY sandbox sandbox
COPY creditflow creditflow
COPY deploy deploy
RUN python requirements/link.py \
    && python -m compileall -q creditflow sandbox dags deploy \
    && install -m 0755 deploy/container.sh /usr/local/bin/creditflow-container

ENV CREDITFLOW_PROJECT=/opt/creditflow CREDITFLOW_HOME=/var/lib/creditflow \
    AIRFLOW_HOME=/opt/airflow HOME=/opt/airflow GX_ANALYTICS_ENABLED=false DO_NOT_TRACK=1
USER 50000:0
ENTRYPOINT ["creditflow-container"]
CMD ["airflow", "version"]
