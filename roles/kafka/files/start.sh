#!/usr/bin/env bash
# PID 1: runs the broker with the image's own command and hands signals on to it; topics.sh works beside it.
# Arguments: folder of Kafka's tools, log directory, port inside the network, the image's command.
set -u
bin=$1 log_dir=$2 port=$3
shift 3

if compgen -G "$log_dir/*-[0-9]*/" >/dev/null && [ ! -e "$log_dir/meta.properties" ]; then
    echo "auren: $log_dir holds partitions but no meta.properties; formatting it would orphan them, so it is left alone." \
        "Restore meta.properties, or empty the volume" >&2
    exit 1
fi

rm -f /tmp/topics-ready /tmp/topics-log
"$@" &
broker=$!
trap 'kill -TERM "$broker"' TERM INT
bash /etc/auren/topics.sh "$bin" "$port" &
while true; do
    wait "$broker" # also returns when a signal was handed on
    status=$?
    kill -0 "$broker" 2>/dev/null || exit "$status"
done
