#!/usr/bin/env bash
# kafka-run-class.sh CLASS [ARGUMENT ...], and every kafka-*.sh, which are links to it. Environment as in the release:
# KAFKA_HEAP_OPTS, KAFKA_JVM_PERFORMANCE_OPTS, KAFKA_LOG4J_OPTS, KAFKA_JMX_OPTS, KAFKA_OPTS, CLASSPATH, LOG_DIR.
base=/opt/kafka
tools=org.apache.kafka.tools

case $(basename "$0" .sh) in
    kafka-server-start) class=kafka.Kafka
        : "${KAFKA_HEAP_OPTS:=-Xmx1G -Xms1G}"
        : "${KAFKA_LOG4J_OPTS:=-Dlog4j.configuration=file:$base/config/log4j.properties}" ;;
    kafka-acls) class=kafka.admin.AclCommand ;;
    kafka-broker-api-versions) class=kafka.admin.BrokerApiVersionsCommand ;;
    kafka-cluster) class=$tools.ClusterTool ;;
    kafka-configs) class=kafka.admin.ConfigCommand ;;
    kafka-console-consumer) class=$tools.consumer.ConsoleConsumer; : "${KAFKA_HEAP_OPTS:=-Xmx512M}" ;;
    kafka-console-producer) class=kafka.tools.ConsoleProducer; : "${KAFKA_HEAP_OPTS:=-Xmx512M}" ;;
    kafka-consumer-groups) class=$tools.consumer.group.ConsumerGroupCommand ;;
    kafka-consumer-perf-test) class=$tools.ConsumerPerformance; : "${KAFKA_HEAP_OPTS:=-Xmx512M}" ;;
    kafka-delete-records) class=$tools.DeleteRecordsCommand ;;
    kafka-dump-log) class=kafka.tools.DumpLogSegments ;;
    kafka-features) class=$tools.FeatureCommand ;;
    kafka-get-offsets) class=$tools.GetOffsetShell ;;
    kafka-leader-election) class=$tools.LeaderElectionCommand ;;
    kafka-log-dirs) class=$tools.LogDirsCommand ;;
    kafka-metadata-quorum) class=$tools.MetadataQuorumCommand ;;
    kafka-producer-perf-test) class=$tools.ProducerPerformance; : "${KAFKA_HEAP_OPTS:=-Xmx512M}" ;;
    kafka-reassign-partitions) class=$tools.reassign.ReassignPartitionsCommand ;;
    kafka-storage) class=kafka.tools.StorageTool ;;
    kafka-topics) class=$tools.TopicCommand ;;
    *) class=${1:?usage: $0 CLASS [ARGUMENT ...]}; shift ;;
esac

: "${KAFKA_HEAP_OPTS:=-Xmx256M}"
: "${KAFKA_JVM_PERFORMANCE_OPTS:=-server -XX:+UseG1GC -XX:MaxGCPauseMillis=20 -XX:InitiatingHeapOccupancyPercent=35 \
-XX:+ExplicitGCInvokesConcurrent -XX:MaxInlineLevel=15 -Djava.awt.headless=true}"
: "${KAFKA_LOG4J_OPTS:=-Dlog4j.configuration=file:$base/config/tools-log4j.properties}"
# An archive of classes is valid for one class path only, in this order.
classpath=${CLASSPATH:+$CLASSPATH:}$(printf '%s:' "$base"/libs/*.jar)
archive=
if [ -z "$CLASSPATH" ] && [ -e "$base/config/kafka.jsa" ]; then archive=-XX:SharedArchiveFile=$base/config/kafka.jsa; fi
# The variables hold several arguments each.
# shellcheck disable=SC2086
exec java $archive $KAFKA_HEAP_OPTS $KAFKA_JVM_PERFORMANCE_OPTS $KAFKA_JMX_OPTS -Dkafka.logs.dir="${LOG_DIR:-$base/logs}" \
    $KAFKA_LOG4J_OPTS $KAFKA_OPTS -cp "$classpath" "$class" "$@"
