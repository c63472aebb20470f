#!/usr/bin/env bash
# The entrypoint contract of the official redis image: options or a .conf file alone mean redis-server; root takes
# over /data and steps down. The official binary is built with protected mode off; here it is an argument, unless the
# arguments or the configuration file say otherwise.
set -e

if [ "${1#-}" != "$1" ] || [ "${1%.conf}" != "$1" ]; then set -- redis-server "$@"; fi
if [ "$1" = redis-server ]; then
    if [ "$(id -u)" = 0 ]; then
        find . \! -user redis -exec chown redis '{}' +
        exec setpriv --reuid=redis --regid=redis --clear-groups "$0" "$@"
    fi
    said=no
    case " $* " in *' --protected-mode '* | *' --version '* | *' -v '* | *' --help '* | *' -h '*) said=yes ;; esac
    if [ -f "${2:-}" ] && grep -qiE '^[[:space:]]*protected-mode[[:space:]]' "$2"; then said=yes; fi
    if [ "$said" = no ]; then set -- "$@" --protected-mode no; fi
fi
if [ "$(umask)" = 0022 ]; then umask 0077; fi
exec "$@"
