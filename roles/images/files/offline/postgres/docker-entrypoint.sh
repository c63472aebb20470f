#!/usr/bin/env bash
# The entrypoint contract of the official postgres image: POSTGRES_PASSWORD, POSTGRES_USER, POSTGRES_DB,
# POSTGRES_INITDB_ARGS (each also as NAME_FILE), POSTGRES_INITDB_WALDIR, POSTGRES_HOST_AUTH_METHOD, PGDATA and
# /docker-entrypoint-initdb.d. One thing is stricter: the folder $PGDATA/.init, which initdb fills and which goes when every
# init script has passed, marks a first start under way; one that was interrupted is begun again, not taken for good.
set -Eeo pipefail

fail() { echo "$*" >&2; exit 1; }

# $1: variable, $2: default. Its value is that of NAME or the content of the file that NAME_FILE names.
file_env() {
    local name=$1 file=${1}_FILE
    if [ -n "${!name:-}" ] && [ -n "${!file:-}" ]; then fail "error: both $name and $file are set (but are exclusive)"; fi
    if [ -n "${!file:-}" ]; then export "$name"="$(<"${!file}")"; else export "$name"="${!name:-${2:-}}"; fi
    unset "$file"
}

as_owner() {   # root prepares the folders, then the server's user runs this script again
    mkdir -p "$PGDATA" /var/run/postgresql
    chmod 0700 "$PGDATA"
    chmod 3775 /var/run/postgresql
    find "$PGDATA" /var/run/postgresql \! -user postgres -exec chown postgres '{}' +
    if [ -n "${POSTGRES_INITDB_WALDIR:-}" ]; then
        mkdir -p "$POSTGRES_INITDB_WALDIR"
        find "$POSTGRES_INITDB_WALDIR" \! -user postgres -exec chown postgres '{}' +
    fi
    HOME=/var/lib/postgresql exec setpriv --reuid=postgres --regid=postgres --init-groups "${BASH_SOURCE[0]}" "$@"
}

check_settings() {
    if [ -z "$POSTGRES_PASSWORD" ] && [ "${POSTGRES_HOST_AUTH_METHOD:-}" != trust ]; then
        fail 'Error: Database is uninitialized and superuser password is not specified.
       You must specify POSTGRES_PASSWORD to a non-empty value for the superuser,
       or POSTGRES_HOST_AUTH_METHOD=trust to let everybody in without one.'
    fi
}

create_cluster() {
    local args
    eval "args=( $POSTGRES_INITDB_ARGS )"
    if [ -n "${POSTGRES_INITDB_WALDIR:-}" ]; then args+=(--waldir="$POSTGRES_INITDB_WALDIR"); fi
    initdb --pgdata="$PGDATA/.init" --username="$POSTGRES_USER" --pwfile=<(printf '%s\n' "$POSTGRES_PASSWORD") "${args[@]}"
    mv "$PGDATA"/.init/* "$PGDATA/"
    local method=${POSTGRES_HOST_AUTH_METHOD:-$(postgres -C password_encryption)}
    printf '\nhost all all all %s\n' "$method" >>"$PGDATA/pg_hba.conf"
}

sql() { psql -v ON_ERROR_STOP=1 --no-password --no-psqlrc --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" "$@"; }

# A script without the execute bit is sourced, so it may use the functions and variables of this one.
run_init_files() {
    local file
    for file in /docker-entrypoint-initdb.d/*; do
        # shellcheck disable=SC1090
        case $file in
            *.sh) echo "$0: running $file"; if [ -x "$file" ]; then "$file"; else . "$file"; fi ;;
            *.sql) echo "$0: running $file"; sql -f "$file" ;;
            *.sql.gz) echo "$0: running $file"; gunzip -c "$file" | sql ;;
            *.sql.xz) echo "$0: running $file"; xzcat "$file" | sql ;;
            *) echo "$0: ignoring $file" ;;
        esac
    done
}

# Runs the init files against a server that only its own socket reaches. Arguments: the server's.
with_temporary_server() {
    pg_ctl -w start -o "$(printf '%q ' "$@" -c listen_addresses= -p 5432)"
    if [ "$POSTGRES_DB" != postgres ]; then
        sql --dbname postgres --set db="$POSTGRES_DB" <<<'CREATE DATABASE :"db";'
    fi
    run_init_files
    pg_ctl -m fast -w stop
}

initialize() {
    file_env POSTGRES_PASSWORD
    file_env POSTGRES_USER postgres
    file_env POSTGRES_DB "$POSTGRES_USER"
    file_env POSTGRES_INITDB_ARGS
    check_settings
    if [ -d "$PGDATA/.init" ]; then
        echo "$PGDATA/.init: an earlier first start was interrupted; beginning again"
        find "$PGDATA" ${POSTGRES_INITDB_WALDIR:+"$POSTGRES_INITDB_WALDIR"} -mindepth 1 -maxdepth 1 \! -name .init -exec rm -rf '{}' +
        rm -rf "$PGDATA/.init"
    fi
    if [ -n "$(ls -A "$PGDATA")" ]; then fail "error: $PGDATA is not empty and holds no database cluster"; fi
    create_cluster
    export PGPASSWORD=${PGPASSWORD:-$POSTGRES_PASSWORD}
    with_temporary_server "${@:2}"
    unset PGPASSWORD
    sync --file-system "$PGDATA"
    rmdir "$PGDATA/.init"
    echo 'PostgreSQL init process complete; ready for start up.'
}

if [ "${1:0:1}" = - ]; then set -- postgres "$@"; fi
case " $* " in *' --help '* | *' -\? '* | *' --version '* | *' -V '* | *' --describe-config '*) exec "$@" ;; esac
if [ "$1" = postgres ]; then
    if [ "$(id -u)" = 0 ]; then as_owner "$@"; fi
    if [ ! -s "$PGDATA/PG_VERSION" ] || [ -d "$PGDATA/.init" ]; then initialize "$@"; fi
fi
exec "$@"
