#!/bin/sh
# Entry point of the image. Reads the generated secrets (files below /run/creditflow) into the settings that the
# parts expect, then runs what it was asked to run. No secret is printed but by `logins`.
#   secrets   make the secrets that are missing, once
#   logins    show the first logins on the terminal
#   prepare   migrate both databases, create Airflow's roles and logins
#   sandbox   the 43 pretended departments, in the foreground
#   healthy PART   whether the API server knows PART as alive (health checks)
set -eu

secret() { cat "/run/creditflow/$1"; }

if [ -r /run/creditflow/airflow/warehouse_password ]; then
    export CREDITFLOW_WAREHOUSE_URL="postgresql://creditflow:$(secret airflow/warehouse_password)@warehouse:5432/creditflow"
    export CREDITFLOW_AIRFLOW_URL="http://engineer:$(secret airflow/engineer_password)@api-server:8080"
    export AIRFLOW__DATABASE__SQL_ALCHEMY_CONN="postgresql+psycopg2://airflow:$(secret airflow/metadata_password)@metadata:5432/airflow"
    export AIRFLOW__CELERY__RESULT_BACKEND="db+postgresql://airflow:$(secret airflow/metadata_password)@metadata:5432/airflow"
    export AIRFLOW__CELERY__BROKER_URL="redis://:$(secret airflow/redis_password)@redis:6379/0"
    export AIRFLOW__CORE__FERNET_KEY="$(secret airflow/fernet_key)"
    export AIRFLOW__API__SECRET_KEY="$(secret airflow/session_key)"
    export AIRFLOW__API_AUTH__JWT_SECRET="$(secret airflow/jwt_secret)"
fi
if [ -r /run/creditflow/airflow/person_keys.json ]; then
    export CREDITFLOW_KEY_FILE=/run/creditflow/airflow/person_keys.json
fi

case "${1:-}" in
    secrets) exec python /opt/creditflow/deploy/make_secrets.py ;;
    logins) exec python /opt/creditflow/deploy/make_secrets.py logins ;;
    prepare) exec python /opt/creditflow/deploy/prepare.py ;;
    sandbox) exec python /opt/creditflow/deploy/pretend.py ;;
    healthy) exec python /opt/creditflow/deploy/healthy.py "$2" ;;
    *) exec "$@" ;;
esac
