-- What the applications use, as they need it.
CREATE TABLE biometric_events (
    event_id uuid, user_id text, device_type text, metric_type text, value double precision, timestamp timestamptz,
    metadata jsonb, raw_data jsonb, created_at timestamptz DEFAULT now(), PRIMARY KEY (event_id, timestamp)
);
CREATE TABLE user_baselines (
    user_id text, metric_type text, baseline_value double precision, sample_count integer, updated_at timestamptz DEFAULT now(),
    PRIMARY KEY (user_id, metric_type)
);
CREATE TABLE pattern_detections (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, user_id text, pattern_type text, confidence double precision,
    detected_at timestamptz DEFAULT now(), metadata jsonb
);
CREATE TABLE mode_switch_history (user_id text, mode text, reason text, switched_at timestamptz DEFAULT now());
SELECT create_hypertable('biometric_events', 'timestamp');
INSERT INTO pattern_detections (user_id, pattern_type, confidence, metadata)
SELECT 'kept-' || number % 7, 'pattern ' || number % 5, number / 300.0, jsonb_build_object('number', number)
FROM generate_series(1, 300) AS number;

-- What the operators have beside them: a hypertable of many chunks, another schema, a role, a sequence, a large object, a setting.
CREATE TABLE vitals (at timestamptz NOT NULL, user_id text, metric text, value double precision);
SELECT create_hypertable('vitals', 'at', chunk_time_interval => INTERVAL '6 hours');
INSERT INTO vitals
SELECT now() - number * INTERVAL '1 minute', 'kept-' || number % 7, (ARRAY['hrv', 'heart_rate', 'spo2'])[1 + number % 3], sin(number)
FROM generate_series(1, 4000) AS number;

CREATE SCHEMA archive;
CREATE TABLE archive.sleep_sessions (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, user_id text, begun timestamptz, stages jsonb, note text, raw bytea
);
INSERT INTO archive.sleep_sessions (user_id, begun, stages, note, raw)
SELECT 'kept-' || number % 7, now() - number * INTERVAL '1 day', jsonb_build_array(number, number % 4),
    CASE WHEN number % 11 > 0 THEN E'Müde\n☾ ''' || md5(number::text) END, decode(md5(number::text), 'hex')
FROM generate_series(1, 3000) AS number;
CREATE INDEX sleep_sessions_note ON archive.sleep_sessions (note);
CREATE VIEW archive.nights AS SELECT user_id, count(*) FROM archive.sleep_sessions GROUP BY user_id;

CREATE SEQUENCE invoice_number START 4711;
SELECT nextval('invoice_number') FROM generate_series(1, 20);
CREATE ROLE reporting LOGIN PASSWORD 'only reads';
GRANT USAGE ON SCHEMA archive TO reporting;
GRANT SELECT ON archive.sleep_sessions TO reporting;
SELECT lo_from_bytea(77001, decode(repeat('00ff', 40000), 'hex'));
ALTER DATABASE auren_production SET work_mem = '8MB';

CREATE DATABASE auren_staging;
\connect auren_staging
CREATE TABLE drafts AS SELECT number, md5(number::text) AS draft FROM generate_series(1, 500) AS number;
