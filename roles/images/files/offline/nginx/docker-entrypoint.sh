#!/bin/sh
# The entrypoint contract of the official nginx image: before nginx starts, what lies in /docker-entrypoint.d runs.
set -e

case "$1" in nginx | nginx-debug)
    for script in /docker-entrypoint.d/*; do
        [ -x "$script" ] || continue
        # shellcheck disable=SC1090  # the reader's own scripts
        case "$script" in *.envsh) . "$script" ;; *.sh) "$script" ;; esac
    done ;;
esac
exec "$@"
