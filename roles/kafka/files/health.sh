#!/usr/bin/env bash
# Healthy: the broker answers, topics.sh has finished, and the partitions of every declared topic are there.
# Arguments: log directory, port inside the network.
fail() { echo "$*"; exit 1; }

bash /etc/auren/answers.sh "$2" 2>/dev/null || fail "the broker does not answer on port $2"
[ -e /tmp/topics-ready ] || fail "the topics are not ready: $(tail -n 3 /tmp/topics-log 2>&1)"
while read -r topic partitions _; do
    [ -d "$1/$topic-$((partitions - 1))" ] || fail "topic $topic is missing or has fewer than $partitions partitions"
done </etc/auren/topics.txt
