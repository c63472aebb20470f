#!/bin/sh
# Plays the boot of a machine: writable kernel interfaces, the Engine if there is one, then sshd.
# TERM is a clean shutdown (the Engine stops its containers), KILL a power cut.
set -eu

make_writable() {
    mount --make-rshared /  # as systemd does: mounts with propagation need it
    mount -o remount,rw /sys
    mount --bind /proc/sys /proc/sys
    mount -o remount,rw,bind /proc/sys
}

cgroup_v2() {
    mount -o remount,rw /sys/fs/cgroup
    # A cgroup with processes of its own cannot delegate controllers: move ours out of the root first.
    mkdir -p /sys/fs/cgroup/init
    while read -r pid; do
        echo "$pid" > /sys/fs/cgroup/init/cgroup.procs 2>/dev/null || true
    done < /sys/fs/cgroup/cgroup.procs
    sed -e 's/ / +/g' -e 's/^/+/' /sys/fs/cgroup/cgroup.controllers > /sys/fs/cgroup/cgroup.subtree_control
}

cgroup_v1() {
    for hierarchy in /sys/fs/cgroup/*; do
        if [ ! -L "$hierarchy" ] && mountpoint -q "$hierarchy"; then
            mount -o remount,rw,bind "$hierarchy"
        fi
    done
}

install_key() {
    home=$(getent passwd "$1" | cut -d: -f6)
    install -d -m 0700 -o "$1" -g "$1" "$home/.ssh"
    printf '%s\n' "$AUTHORIZED_KEY" > "$home/.ssh/authorized_keys"
    chown "$1:$1" "$home/.ssh/authorized_keys"
    chmod 0600 "$home/.ssh/authorized_keys"
}

start_engine() {
    service docker start
    tries=0
    until docker info > /dev/null 2>&1; do
        tries=$((tries + 1))
        if [ "$tries" -gt 150 ]; then
            tail -n 20 /var/log/docker.log >&2
            exit 1
        fi
        sleep 0.2
    done
}

shut_down() {
    [ ! -x /usr/sbin/dockerd ] || service docker stop || true
    kill "$sshd" 2>/dev/null || true
    exit 0
}

make_writable
if [ -f /sys/fs/cgroup/cgroup.controllers ]; then cgroup_v2; else cgroup_v1; fi
install_key root
install_key admin
[ ! -x /usr/sbin/dockerd ] || start_engine
ssh-keygen -A
mkdir -p /run/sshd
trap shut_down TERM
/usr/sbin/sshd -D -e &
sshd=$!
wait "$sshd"
