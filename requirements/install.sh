#!/bin/sh
# Install locked requirements into a virtual environment: install.sh VENV LOCKFILE
#
# uv does it when it can reach the same index as pip; otherwise pip does, slower and with the same hashes.
# Bytecode is compiled here, once: where PYTHONDONTWRITEBYTECODE is set, as on many build machines, every process would do it again,
# and importing Great Expectations alone then takes twice as long.
# The index comes from pip's own configuration of this machine; none is written here.
set -eu
venv=$1
lock=$2

setting() { "${PYTHON:-python3}" -m pip config get "$1" 2>/dev/null || true; }

: "${UV_DEFAULT_INDEX:=${PIP_INDEX_URL:-$(setting global.index-url)}}"
: "${UV_INDEX:=${PIP_EXTRA_INDEX_URL:-$(setting global.extra-index-url)}}"
: "${UV_FIND_LINKS:=${PIP_FIND_LINKS:-}}"
: "${SSL_CERT_FILE:=${PIP_CERT:-$(setting global.cert)}}"
for name in UV_DEFAULT_INDEX UV_INDEX UV_FIND_LINKS SSL_CERT_FILE; do
    eval "value=\$$name"
    if [ -n "$value" ]; then export "${name?}"; else unset "$name"; fi
done

if [ -x "$venv/bin/uv" ] && "$venv/bin/uv" pip install --quiet --python "$venv/bin/python" \
    --index-strategy unsafe-best-match --compile-bytecode --require-hashes -r "$lock"; then
    exit 0
fi
echo "uv could not install $lock; pip does it now" >&2
exec "${PYTHON:-python3}" -m pip --python "$venv/bin/python" --disable-pip-version-check install --quiet \
    --root-user-action=ignore --require-hashes -r "$lock"
