#!/usr/bin/env bash
# Healthy: a login over TCP with the password that the clients hold succeeds, and every table of schema.sql is there.
fail() { echo "$*"; exit 1; }

pg_isready -q -h 127.0.0.1 || fail "the server does not accept connections"
[ -e /tmp/schema-applied ] || fail "the schema is not applied: $(tail -n 3 /tmp/schema-log 2>&1)"
tables=$(sed -n 's/^CREATE TABLE IF NOT EXISTS \([a-z0-9_.]*\).*/\1/p' /etc/auren/schema.sql)
PGPASSWORD=$(</run/secrets/postgres_password)
export PGPASSWORD PGCONNECT_TIMEOUT=3
missing=$(psql -X -q -A -t -w -h 127.0.0.1 -U "$POSTGRES_USER" -d "$POSTGRES_DB" -v tables="$tables" 2>&1 <<'SQL'
SELECT string_agg(name, ' ') FROM unnest(string_to_array(:'tables', E'\n')) AS name WHERE to_regclass(name) IS NULL
SQL
) || fail "$missing"
[ -z "$missing" ] || fail "tables are missing: $missing; restarting this container makes them again"
