#!/usr/bin/env bash
# TimescaleDB in the first databases and in those made later, as in the image of its makers.
set -e
for database in template1 postgres "$POSTGRES_DB"; do
    psql -v ON_ERROR_STOP=1 --no-psqlrc -q --username "$POSTGRES_USER" --dbname "$database" \
        -c 'SET client_min_messages = warning; CREATE EXTENSION IF NOT EXISTS timescaledb CASCADE'
done
