#!/usr/bin/env bash
# Applies schema.sql as soon as the server listens on TCP, which the temporary server of a first start does not.
# Must end with status 0: the server is the parent of this process and takes another one for a crash of its own.
until pg_isready -q -h 127.0.0.1; do sleep 0.5; done

export PGOPTIONS='-c client_min_messages=warning'
until psql -X -q -v ON_ERROR_STOP=1 --single-transaction -U "$POSTGRES_USER" -d "$POSTGRES_DB" \
    -f /etc/auren/schema.sql >/tmp/schema-log 2>&1; do
    echo "auren: schema.sql was not applied, trying again in 30 s" >&2
    cat /tmp/schema-log >&2
    sleep 30
done
cat /tmp/schema-log >&2 # warnings
touch /tmp/schema-applied
exit 0
