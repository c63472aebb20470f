#!/usr/bin/env bash
# Brings the broker's topics to topics.txt (a line: name, partitions, key=value ...): creates what is missing, adds
# partitions, sets configurations; deletes and shrinks nothing. Arguments: folder of Kafka's tools, port.
set -uo pipefail
bin=$1 port=$2
# One short-lived JVM at a time fits beside the broker.
export KAFKA_HEAP_OPTS='-Xms16m -Xmx64m' KAFKA_JVM_PERFORMANCE_OPTS='-XX:+UseSerialGC -XX:TieredStopAtLevel=1'
unset KAFKA_JMX_OPTS JMX_PORT

tool() { "$bin/kafka-$1.sh" --bootstrap-server "127.0.0.1:$port" "${@:2}"; }

# $1: topic, $2: partitions, then key=value ...
create() {
    local options=() pair
    for pair in "${@:3}"; do options+=(--config "$pair"); done
    tool topics --create --if-not-exists --topic "$1" --partitions "$2" --replication-factor 1 "${options[@]}"
}

# $1: the topic's line of --describe, $2: topic, $3: partitions, then key=value ...
alter() {
    local count changed='' pair
    count=${1#*PartitionCount: }
    count=${count%%[!0-9]*}
    if [ "$count" -lt "$3" ]; then
        tool topics --alter --topic "$2" --partitions "$3" || return
        echo "auren: topic $2 has $3 partitions instead of $count"
    elif [ "$count" -gt "$3" ]; then
        echo "auren: topic $2 has $count partitions, more than the $3 declared; they cannot be taken away"
    fi
    for pair in "${@:4}"; do
        case ",${1##*Configs: }," in *",$pair,"*) ;; *) changed+=",${pair%%=*}=[${pair#*=}]" ;; esac
    done
    if [ -n "$changed" ]; then
        tool configs --alter --entity-type topics --entity-name "$2" --add-config "${changed#,}"
    fi
}

reconcile() {
    local described line topic
    described=$(tool topics --describe) || return
    while read -ra topic; do
        line=$(awk -F '\t' -v first="Topic: ${topic[0]}" '$1 == first' <<<"$described")
        if [ -z "$line" ]; then create "${topic[@]}"; else alter "$line" "${topic[@]}"; fi || return
    done </etc/auren/topics.txt
}

until bash /etc/auren/answers.sh "$port" 2>/dev/null; do sleep 0.5; done
until reconcile > >(tee /tmp/topics-log) 2>&1; do sleep 10; done
touch /tmp/topics-ready
