#!/bin/sh
# Makes the mess anew, whatever the host looks like.
#   mess.sh           there is no auren-network yet
#   mess.sh network   somebody made one by hand; a client that is no part of the stack is on it and on the old ones
set -eu
cd "$(dirname "$0")"

run() {  # run NAME "OPTIONS" WHAT ...: docker run with the client's file
    name=$1 options="$2"
    shift 2
    # shellcheck disable=SC2086
    docker run --detach --name "$name" --env PYTHONPATH=/client --volume "$PWD/client:/client:ro" $options \
        python:3.13-slim python3 /client/client.py "$@" > /dev/null
}

empty() {
    docker ps --all --quiet | xargs -r docker rm --force --volumes > /dev/null
    docker network ls --quiet --filter type=custom | xargs -r docker network rm > /dev/null
    docker volume ls --quiet | xargs -r docker volume rm > /dev/null
    rm -rf /opt/auren
}

by_compose() {
    docker compose --progress quiet --file auren.yml up --detach
    docker compose --progress quiet --file deploy.yml up --detach
    docker stop --time 0 biometric-unified > /dev/null
}

by_hand() {
    run neuros-langgraph "--network auren_deploy_auren-network --publish 8000:8000 --restart always" serve:8000
    docker stop --time 0 neuros-langgraph > /dev/null
    run neuros-advanced "--network auren_default --publish 8000:8000 --restart always" serve:8000 pool:postgres:5432 pool:redis:6379
    run biometric-system-100 "--network auren_default --publish 8890:8888 --restart always" serve:8888
    run auren-grafana "--network apps --ip 10.77.0.50 --publish 127.0.0.1:3000:3000 --restart always" serve:3000
    run auren-pwa "--publish 80:80 --restart always" serve:80
    run debug "--network auren_default --rm" serve:9999
    exporter redis "--env REDIS_ADDR=redis://redis:6379" oliver006/redis_exporter:v1.69.0-alpine
    exporter postgres "--env DATA_SOURCE_NAME=postgresql://auren:mess@postgres:5432/auren?sslmode=disable" \
        prometheuscommunity/postgres-exporter:v0.17.1
    docker run --detach --name auren-node-exporter --network host --restart always prom/node-exporter:v1.9.0 > /dev/null
}

exporter() {  # exporter NAME "OPTIONS" IMAGE
    # shellcheck disable=SC2086
    docker run --detach --name "auren-$1-exporter" --network auren_default $2 "$3" > /dev/null
    docker network connect apps "auren-$1-exporter"
}

data() {
    until docker exec auren-postgres psql --host 127.0.0.1 --username auren --quiet --command 'SELECT 1' > /dev/null 2>&1; do sleep 0.2; done
    docker exec auren-postgres psql --username auren --quiet --command "
        CREATE TABLE ticks (at timestamptz DEFAULT now());
        CREATE TABLE kept AS SELECT number, md5(number::text) AS value FROM generate_series(1, 2000) AS number"
    docker exec auren-redis redis-cli EVAL \
        "for number = 1, 500 do redis.call('SET', 'kept:' .. number, redis.sha1hex(number)) end" 0 > /dev/null
}

network() {  # the watcher is on the old networks too, and polls everybody by name
    docker network create --subnet 10.78.0.0/24 auren-network > /dev/null
    run watcher "--network auren-network --restart always" poll:auren-grafana:3000 poll:auren-kafka:9092 poll:auren-postgres:5432 \
        poll:auren-postgres-exporter:9187 poll:auren-prometheus:9090 poll:auren-redis:6379 poll:auren-redis-exporter:9121 \
        poll:biometric-production:8888 poll:neuros-advanced:8000
    for old in auren_default auren_deploy_auren-network apps; do docker network connect "$old" watcher; done
}

empty
by_compose
by_hand
data
# Polls published ports, and itself: what that takes is the machine's own doing.
run outside "--network host --restart always" serve:7777 poll:127.0.0.1:7777 poll:127.0.0.1:8000 poll:127.0.0.1:80
if [ "${1:-}" = network ]; then
    network
fi
