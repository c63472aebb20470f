#!/usr/bin/env bash
# start_engine.sh SOCKET PYTHON SECONDS: have a Docker Engine answer at SOCKET.
# Prints "answers" when it did already, "started" when it does now. Never starts a second one in a network namespace:
# its chains and bridge would replace those of the first.
set -euo pipefail
socket=$1 python=$2 seconds=$3
log=/var/log/dockerd.log

answers() {
    "$python" - "$socket" <<'PYTHON' 2>/dev/null
import socket, sys
connection = socket.socket(socket.AF_UNIX)
connection.settimeout(3)
connection.connect(sys.argv[1])
connection.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
sys.exit(b" 200 " not in connection.recv(64))
PYTHON
}

running() { # PROGRAM PID: is it alive and the program? A zombie has no exe.
    [[ $(readlink "/proc/$2/exe" 2>/dev/null) == */"$1" ]]
}

engine_here() {
    local process
    for process in /proc/[0-9]*; do
        running dockerd "${process#/proc/}" || continue
        [ "$(readlink "$process/ns/net")" != "$(readlink /proc/self/ns/net)" ] || return 0
    done
    return 1
}

drop_stale_pid() { # FILE PROGRAM
    if [ -s "$1" ] && ! running "$2" "$(cat "$1")"; then rm -f "$1"; fi
}

wait_for_answer() {
    local end=$((SECONDS + seconds))
    while ! answers; do
        if [ $SECONDS -ge $end ] || ! "$@"; then return 1; fi
        sleep 0.3
    done
}

give_up() { # LAST LINES
    printf 'Docker did not answer at %s within %s seconds; its last lines were:\n%s\n' "$socket" "$seconds" "$1" >&2
    exit 1
}

if answers; then
    echo answers
    exit 0
fi

if [ -d /run/systemd/system ]; then
    systemctl reset-failed docker.service 2>/dev/null || true
    systemctl start docker.service || true
    wait_for_answer true || give_up "$(journalctl -u docker -n 15 --no-pager 2>&1)"
    echo started
    exit 0
fi

exec 9>/run/auren-start-engine.lock
flock 9
if ! engine_here; then
    drop_stale_pid /run/docker.pid dockerd
    drop_stale_pid /run/docker/containerd/containerd.pid containerd
    # The options of the init script that the packages bring, without its ulimit, which may be refused here.
    # shellcheck disable=SC1091
    options=$(set +eu; . /etc/default/docker >/dev/null 2>&1; printf '%s' "${DOCKER_OPTS:-}")
    # shellcheck disable=SC2086  # options are words
    setsid nohup dockerd $options >>"$log" 2>&1 </dev/null 9>&- &
    sleep 0.2
fi
wait_for_answer engine_here || give_up "$(tail -n 15 "$log" 2>&1)"
echo started
