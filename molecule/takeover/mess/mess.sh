#!/bin/sh
# Makes the hand-run stack anew, whatever the host looks like, and waits until all of it works.
set -eu
cd "$(dirname "$0")"
# shellcheck source=SCRIPTDIR/passwords
. ./passwords
NEUROS=auren-stack/neuros-reference:0.1.0

run() {  # run NAME OPTION ... IMAGE [ARGUMENT ...]: a container on the old network
    name=$1
    shift
    docker run --detach --name "$name" --network auren_default "$@" > /dev/null
}

encoded() {
    python3 -c 'import sys, urllib.parse; print(urllib.parse.quote(sys.argv[1], safe=""))' "$1"
}

empty() {
    docker ps --all --quiet | xargs -r docker rm --force --volumes > /dev/null
    docker network ls --quiet --filter type=custom | xargs -r docker network rm > /dev/null
    docker volume ls --quiet | xargs -r docker volume rm > /dev/null
    rm -rf made.json /opt/auren /srv/auren /var/backups/auren /etc/cron.d/auren-* /etc/systemd/system/auren.service* \
        /etc/systemd/system/multi-user.target.wants/auren.service
}

images() {  # those that the host had at first, under the names that they had; first the names, so that none goes for want of one
    named() { docker image ls --no-trunc --format '{{.Repository}}:{{.Tag}} {{.ID}}' | sort > "$1"; }
    [ -e images ] || named images
    named images.now
    comm -13 images.now images | while read -r name id; do docker tag "$id" "$name"; done
    named images.now
    comm -23 images.now images | while read -r name id; do
        case $name in *'<none>'*) docker rmi --force "$id" ;; *) docker rmi --force "$name" ;; esac > /dev/null
    done
}

by_compose() {
    cp -R auren /srv/auren
    mkdir -p /etc/systemd/system/multi-user.target.wants /etc/cron.d
    cp auren.service /etc/systemd/system/
    ln -s /etc/systemd/system/auren.service /etc/systemd/system/multi-user.target.wants/auren.service
    install -m 0644 auren-restart /etc/cron.d/auren-restart
    docker compose --progress quiet --file /srv/auren/docker-compose.yml up --detach
}

stores() {
    run auren-postgres --network-alias postgres --publish 5432:5432 --restart unless-stopped --volume postgres_data:/var/lib/postgresql/data \
        --env POSTGRES_USER=auren_user --env POSTGRES_DB=auren_production --env "POSTGRES_PASSWORD=$POSTGRES" \
        timescale/timescaledb:latest-pg17
    run auren-redis --network-alias redis redis:7-alpine redis-server --appendonly yes --requirepass "$REDIS"
    run auren-redis-exporter --env REDIS_ADDR=redis://redis:6379 --env "REDIS_PASSWORD=$REDIS" oliver006/redis_exporter:v1.69.0-alpine
}

watchers() {
    python3 host.py history | docker run --rm --interactive --volume prometheus-data:/prometheus --entrypoint sh prom/prometheus:v2.53.3 \
        -c 'cat > /tmp/history && promtool tsdb create-blocks-from --quiet openmetrics /tmp/history /prometheus'
    run auren-prometheus --rm --publish 9090:9090 --volume prometheus-data:/prometheus \
        --volume /srv/auren/prometheus/prometheus.yml:/etc/prometheus/prometheus.yml:ro prom/prometheus:v2.53.3
    run auren-grafana --publish 3000:3000 --env "GF_SECURITY_ADMIN_PASSWORD=$GRAFANA" grafana/grafana:11.6.0
    docker exec --interactive auren-grafana python3 - < grafana.py
}

applications() {
    run neuros-advanced --publish 8000:8000 --restart unless-stopped \
        --env "POSTGRES_URL=postgresql://auren_user:$(encoded "$POSTGRES")@postgres:5432/auren_production" \
        --env "REDIS_URL=redis://:$(encoded "$REDIS")@redis:6379/0" --env KAFKA_BOOTSTRAP_SERVERS=auren-kafka:9092 "$NEUROS"
    run biometric-production --publish 8888:8888 --restart always \
        --env POSTGRES_HOST=auren-postgres --env POSTGRES_USER=auren_user --env POSTGRES_DB=auren_production --env "POSTGRES_PASSWORD=$POSTGRES" \
        --env REDIS_HOST=auren-redis --env "REDIS_PASSWORD=$REDIS" --env KAFKA_BROKERS=kafka:9092 --env "OURA_WEBHOOK_SECRET=$OURA" \
        auren-stack/biometric-bridge-reference:0.1.0
    # The fix of one night, never brought into an image.
    docker exec --user 0 neuros-advanced sed -i 's/"service": "neuros-advanced",/& "hotfix": "one night in May",/' /app/neuros/app.py
    docker restart --time 1 neuros-advanced > /dev/null
}

tables() {
    until docker exec auren-postgres psql --host 127.0.0.1 --username auren_user auren_production --quiet --command 'SELECT 1' > /dev/null 2>&1
    do sleep 0.2; done
    docker exec --interactive auren-postgres psql --username auren_user auren_production --quiet --set ON_ERROR_STOP=1 < postgres.sql > /dev/null
}

empty
images
by_compose
stores
watchers
tables
applications
python3 host.py fill
