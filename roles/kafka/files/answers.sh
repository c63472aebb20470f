#!/usr/bin/env bash
# Asks the broker for its API versions, without a JVM. Status 0 when the answer belongs to the question. Argument: port.
# Request (kafka.apache.org/protocol): size 10, API key 18, version 0, correlation id "aurn", no client id.
exec 3<>"/dev/tcp/127.0.0.1/$1" || exit 1
printf '\0\0\0\012\0\022\0\0aurn\377\377' >&3
[ "$(timeout 3 head -c 8 <&3 | tail -c 4)" = aurn ]
