#!/usr/bin/env bash
# Starts the server with the image's own entrypoint and has the schema applied beside it. Arguments: the server's.
rm -f /tmp/schema-applied /tmp/schema-log
bash /etc/auren/apply-schema.sh &
exec "$(command -v docker-entrypoint.sh || echo /docker-entrypoint.sh)" "$@" # timescaledb-ha has it outside PATH
