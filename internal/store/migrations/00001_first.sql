-- +goose Up
-- Times are Unix milliseconds, 0 is "none". Lists and maps are JSON text, ''
-- is an empty one. The store adapts this text to each engine, see
-- dialect.go.

CREATE TABLE counter (
    name  TEXT NOT NULL PRIMARY KEY,
    value BIGINT NOT NULL
);
INSERT INTO counter (name, value) VALUES ('live', 0), ('config', 1);

CREATE TABLE setting (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE users (
    id            TEXT NOT NULL PRIMARY KEY,
    name          TEXT NOT NULL,
    name_key      TEXT NOT NULL,
    display_name  TEXT NOT NULL,
    role          TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    disabled      BOOLEAN NOT NULL,
    created       BIGINT NOT NULL,
    last_sign_in  BIGINT NOT NULL
);
CREATE UNIQUE INDEX users_name ON users (name_key);

CREATE TABLE session (
    token   TEXT NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL,
    data    TEXT NOT NULL,
    expires BIGINT NOT NULL
);
CREATE INDEX session_of_user ON session (user_id);
CREATE INDEX session_end ON session (expires);

CREATE TABLE api_key (
    id        TEXT NOT NULL PRIMARY KEY,
    name      TEXT NOT NULL,
    name_key  TEXT NOT NULL,
    hash      TEXT NOT NULL,
    hint      TEXT NOT NULL,
    scopes    TEXT NOT NULL,
    created   BIGINT NOT NULL,
    last_used BIGINT NOT NULL,
    expires   BIGINT NOT NULL,
    revoked   BIGINT NOT NULL
);
CREATE UNIQUE INDEX api_key_hash ON api_key (hash);
-- The name of a revoked key may be used again.
CREATE UNIQUE INDEX api_key_name ON api_key (name_key) WHERE revoked = 0;

CREATE TABLE source (
    id            TEXT NOT NULL PRIMARY KEY,
    name          TEXT NOT NULL,
    name_key      TEXT NOT NULL,
    kind          TEXT NOT NULL,
    token_hash    TEXT NOT NULL,
    token_hint    TEXT NOT NULL,
    host_url      TEXT NOT NULL,
    service_url   TEXT NOT NULL,
    straight      BOOLEAN NOT NULL,
    disabled      BOOLEAN NOT NULL,
    created       BIGINT NOT NULL,
    last_event    BIGINT NOT NULL,
    last_error    TEXT NOT NULL,
    last_error_at BIGINT NOT NULL,
    spooled       BIGINT NOT NULL,
    spooled_at    BIGINT NOT NULL
);
CREATE UNIQUE INDEX source_name ON source (name_key);

CREATE TABLE contact (
    id                    TEXT NOT NULL PRIMARY KEY,
    name                  TEXT NOT NULL,
    display_name          TEXT NOT NULL,
    email                 TEXT NOT NULL,
    user_id               TEXT NOT NULL,
    engine_user_id        TEXT NOT NULL,
    host_options          TEXT NOT NULL,
    service_options       TEXT NOT NULL,
    host_period_id        TEXT NOT NULL,
    service_period_id     TEXT NOT NULL,
    host_notifications    BOOLEAN NOT NULL,
    service_notifications BOOLEAN NOT NULL,
    push_host             BOOLEAN NOT NULL,
    push_service          BOOLEAN NOT NULL
);
CREATE UNIQUE INDEX contact_name ON contact (name);

CREATE TABLE contact_group (
    id          TEXT NOT NULL PRIMARY KEY,
    name        TEXT NOT NULL,
    description TEXT NOT NULL
);
CREATE UNIQUE INDEX contact_group_name ON contact_group (name);

CREATE TABLE contact_group_member (
    group_id   TEXT NOT NULL REFERENCES contact_group (id) ON DELETE CASCADE,
    contact_id TEXT NOT NULL REFERENCES contact (id) ON DELETE CASCADE,
    position   BIGINT NOT NULL,
    PRIMARY KEY (group_id, contact_id)
);
CREATE INDEX contact_group_member_contact ON contact_group_member (contact_id);

CREATE TABLE time_period (
    id   TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    body TEXT NOT NULL
);
CREATE UNIQUE INDEX time_period_name ON time_period (name);

CREATE TABLE rule (
    id       TEXT NOT NULL PRIMARY KEY,
    position BIGINT NOT NULL,
    body     TEXT NOT NULL
);

-- The object carries its open alert and its latest event, so that one event
-- finds all that it needs by primary keys.
CREATE TABLE object (
    id              TEXT NOT NULL PRIMARY KEY,
    source_id       TEXT NOT NULL,
    host            TEXT NOT NULL,
    service         TEXT NOT NULL,
    host_display    TEXT NOT NULL,
    service_display TEXT NOT NULL,
    url             TEXT NOT NULL,
    labels          TEXT NOT NULL,
    state           TEXT NOT NULL,
    downtime        BOOLEAN NOT NULL,
    flapping        BOOLEAN NOT NULL,
    changed         BIGINT NOT NULL,
    search          TEXT NOT NULL,
    alert_id        TEXT NOT NULL,
    last_event_id   TEXT NOT NULL
);

-- rank orders the list: 2 firing, 1 acknowledged, 0 resolved.
CREATE TABLE alert (
    id        TEXT NOT NULL PRIMARY KEY,
    object_id TEXT NOT NULL,
    status    TEXT NOT NULL,
    rank      BIGINT NOT NULL,
    state     TEXT NOT NULL,
    worst     TEXT NOT NULL,
    output    TEXT NOT NULL,
    long      TEXT NOT NULL,
    search    TEXT NOT NULL,
    since     BIGINT NOT NULL,
    updated   BIGINT NOT NULL,
    resolved  BIGINT NOT NULL,
    ack       TEXT NOT NULL,
    repeats   BIGINT NOT NULL,
    marks     TEXT NOT NULL
);
CREATE INDEX alert_list ON alert (rank, since, id);
CREATE INDEX alert_object ON alert (object_id);
CREATE INDEX alert_resolved ON alert (resolved) WHERE rank = 0;

CREATE TABLE event (
    id        TEXT NOT NULL PRIMARY KEY,
    call_id   TEXT NOT NULL,
    source_id TEXT NOT NULL,
    alert_id  TEXT NOT NULL,
    object_id TEXT NOT NULL,
    type      TEXT NOT NULL,
    state     TEXT NOT NULL,
    output    TEXT NOT NULL,
    long      TEXT NOT NULL,
    author    TEXT NOT NULL,
    comment   TEXT NOT NULL,
    user_id   TEXT NOT NULL,
    origin    TEXT NOT NULL,
    contacts  TEXT NOT NULL,
    user_ids  TEXT NOT NULL,
    happened  BIGINT NOT NULL,
    received  BIGINT NOT NULL,
    marks     TEXT NOT NULL,
    sticky    BOOLEAN NOT NULL,
    outcome   TEXT NOT NULL,
    why       TEXT NOT NULL
);
-- Alerts' ids ascend in time, objects' do not: by alert, the events that come
-- together stand together, and a commit writes few pages.
CREATE INDEX event_timeline ON event (alert_id, id);
CREATE INDEX event_alone ON event (received) WHERE alert_id = '';
CREATE INDEX event_alone_of ON event (object_id) WHERE alert_id = '';

CREATE TABLE event_call (
    source_id TEXT NOT NULL,
    call_key  TEXT NOT NULL,
    event_id  TEXT NOT NULL,
    taken     BIGINT NOT NULL,
    PRIMARY KEY (source_id, call_key)
);
CREATE INDEX event_call_taken ON event_call (taken);

CREATE TABLE delivery (
    id           TEXT NOT NULL PRIMARY KEY,
    event_id     TEXT NOT NULL,
    alert_id     TEXT NOT NULL,
    object_id    TEXT NOT NULL,
    contact_id   TEXT NOT NULL,
    contact_name TEXT NOT NULL,
    user_id      TEXT NOT NULL,
    channel      TEXT NOT NULL,
    notice       TEXT NOT NULL,
    state        TEXT NOT NULL,
    reason       TEXT NOT NULL,
    why          TEXT NOT NULL,
    detail       TEXT NOT NULL,
    created      BIGINT NOT NULL,
    due          BIGINT NOT NULL,
    attempt      BIGINT NOT NULL,
    expires      BIGINT NOT NULL,
    done         BIGINT NOT NULL
);
CREATE INDEX delivery_of ON delivery (alert_id, event_id);
-- The browser's deliveries are looked for by user alone: only who is there gets them.
CREATE INDEX delivery_due ON delivery (channel, due) WHERE state IN ('waiting', 'handed') AND channel <> 'browser';
CREATE INDEX delivery_user ON delivery (user_id, channel, due) WHERE state IN ('waiting', 'handed');
CREATE INDEX delivery_expires ON delivery (expires) WHERE state IN ('waiting', 'handed');
CREATE INDEX delivery_done ON delivery (state, done) WHERE state IN ('sent', 'dead', 'expired');

CREATE TABLE attempt (
    delivery_id TEXT NOT NULL,
    number      BIGINT NOT NULL,
    happened    BIGINT NOT NULL,
    node        TEXT NOT NULL,
    result      TEXT NOT NULL,
    detail      TEXT NOT NULL
);
CREATE INDEX attempt_delivery ON attempt (delivery_id);

-- A row holds the frames of one transaction, from begins to seq, each a line.
CREATE TABLE live_event (
    seq      BIGINT NOT NULL PRIMARY KEY,
    begins   BIGINT NOT NULL,
    frames   TEXT NOT NULL,
    happened BIGINT NOT NULL
);
