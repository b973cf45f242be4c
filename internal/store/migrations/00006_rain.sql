-- +goose Up
-- Storms, escalations, who is on call, quiet hours, maintenance windows, webhooks.

-- bundle is the delivery that tells of this one together with others; storm is what
-- it, and those before and after it, have in common. Hardly any has them, so the
-- indexes are small and most rows never touch them.
ALTER TABLE delivery ADD COLUMN bundle TEXT NOT NULL DEFAULT '';
ALTER TABLE delivery ADD COLUMN storm TEXT NOT NULL DEFAULT '';
CREATE INDEX delivery_bundle ON delivery (bundle) WHERE bundle <> '';
CREATE INDEX delivery_storm ON delivery (storm) WHERE storm <> '';

-- When the object's state changed of late, and since when it flaps as was found here,
-- where its engine does not say so.
ALTER TABLE object ADD COLUMN turns TEXT NOT NULL DEFAULT '';
ALTER TABLE object ADD COLUMN flaps BIGINT NOT NULL DEFAULT 0;
CREATE INDEX object_flaps ON object (id) WHERE flaps > 0;

-- What was told at a place lately. calm is when a storm there may be over, 0 if
-- there is none; used is when something was told there last.
CREATE TABLE pace (
    place TEXT NOT NULL PRIMARY KEY,
    body  TEXT NOT NULL,
    calm  BIGINT NOT NULL,
    used  BIGINT NOT NULL
);
CREATE INDEX pace_calm ON pace (calm) WHERE calm > 0;

-- How far a policy is with an open alert. due is 0 when nothing more is to be done.
CREATE TABLE escalation (
    alert_id  TEXT NOT NULL PRIMARY KEY,
    policy_id TEXT NOT NULL,
    body      TEXT NOT NULL,
    due       BIGINT NOT NULL
);
CREATE INDEX escalation_due ON escalation (due) WHERE due > 0;

CREATE TABLE schedule (
    id       TEXT NOT NULL PRIMARY KEY,
    name     TEXT NOT NULL,
    name_key TEXT NOT NULL,
    body     TEXT NOT NULL
);
CREATE UNIQUE INDEX schedule_name ON schedule (name_key);

CREATE TABLE policy (
    id       TEXT NOT NULL PRIMARY KEY,
    name     TEXT NOT NULL,
    name_key TEXT NOT NULL,
    body     TEXT NOT NULL
);
CREATE UNIQUE INDEX policy_name ON policy (name_key);

CREATE TABLE maintenance_window (
    id       TEXT NOT NULL PRIMARY KEY,
    name     TEXT NOT NULL,
    name_key TEXT NOT NULL,
    body     TEXT NOT NULL
);
CREATE UNIQUE INDEX maintenance_window_name ON maintenance_window (name_key);

-- What is secret stands in columns of its own, beside the JSON that is shown.
CREATE TABLE hook (
    id            TEXT NOT NULL PRIMARY KEY,
    name          TEXT NOT NULL,
    name_key      TEXT NOT NULL,
    body          TEXT NOT NULL,
    url           TEXT NOT NULL,
    secret        TEXT NOT NULL,
    token         TEXT NOT NULL,
    last_sent     BIGINT NOT NULL,
    last_error    TEXT NOT NULL,
    last_error_at BIGINT NOT NULL,
    created       BIGINT NOT NULL
);
CREATE UNIQUE INDEX hook_name ON hook (name_key);

ALTER TABLE contact ADD COLUMN mail_host BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE contact ADD COLUMN mail_service BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE contact ADD COLUMN hook TEXT NOT NULL DEFAULT '';
ALTER TABLE contact ADD COLUMN quiet_period_id TEXT NOT NULL DEFAULT '';
ALTER TABLE contact ADD COLUMN quiet_pass TEXT NOT NULL DEFAULT '';
-- The SHA-256 of the token of the contact's calendar, '' if it has none.
ALTER TABLE contact ADD COLUMN calendar TEXT NOT NULL DEFAULT '';
ALTER TABLE contact ADD COLUMN calendar_made BIGINT NOT NULL DEFAULT 0;
CREATE UNIQUE INDEX contact_calendar ON contact (calendar) WHERE calendar <> '';

-- Whoever is on call in these belongs to the group at that moment.
ALTER TABLE contact_group ADD COLUMN schedule_ids TEXT NOT NULL DEFAULT '';

-- Links in letters by which an alert can be acknowledged. hash is the SHA-256 of the
-- token.
CREATE TABLE ack_link (
    hash       TEXT NOT NULL PRIMARY KEY,
    alert_id   TEXT NOT NULL,
    contact_id TEXT NOT NULL,
    made       BIGINT NOT NULL,
    expires    BIGINT NOT NULL,
    used       BIGINT NOT NULL
);
CREATE INDEX ack_link_end ON ack_link (expires);
CREATE INDEX ack_link_of ON ack_link (alert_id);
