-- +goose Up
-- Mattermost, and telling the engines what was done here.

-- What a person asked for ends at until; reply is what became of the event
-- reply_to.
ALTER TABLE event ADD COLUMN until BIGINT NOT NULL DEFAULT 0;
ALTER TABLE event ADD COLUMN reply_to TEXT NOT NULL DEFAULT '';
ALTER TABLE event ADD COLUMN reply TEXT NOT NULL DEFAULT '';

-- What the channel wants back at its next attempt.
ALTER TABLE delivery ADD COLUMN note TEXT NOT NULL DEFAULT '';

-- When the acknowledgement ends by itself. Few have such a time, so the index is
-- small and most alerts never touch it.
ALTER TABLE alert ADD COLUMN ack_until BIGINT NOT NULL DEFAULT 0;
CREATE INDEX alert_ack_end ON alert (ack_until) WHERE ack_until > 0 AND rank = 1;

-- What is in a downtime, to be looked after; few are.
CREATE INDEX object_downtime ON object (source_id, id) WHERE downtime;

-- Both secrets stand in columns of their own, beside the JSON that is shown.
ALTER TABLE source ADD COLUMN write_back TEXT NOT NULL DEFAULT '';
ALTER TABLE source ADD COLUMN write_back_secret TEXT NOT NULL DEFAULT '';
ALTER TABLE source ADD COLUMN mapping TEXT NOT NULL DEFAULT '';
ALTER TABLE source ADD COLUMN secret TEXT NOT NULL DEFAULT '';

ALTER TABLE contact ADD COLUMN mattermost TEXT NOT NULL DEFAULT '';

CREATE TABLE chat_room (
    id            TEXT NOT NULL PRIMARY KEY,
    name          TEXT NOT NULL,
    name_key      TEXT NOT NULL,
    kind          TEXT NOT NULL,
    webhook_url   TEXT NOT NULL,
    override      TEXT NOT NULL,
    team          TEXT NOT NULL,
    channel       TEXT NOT NULL,
    channel_id    TEXT NOT NULL,
    everything    BOOLEAN NOT NULL,
    disabled      BOOLEAN NOT NULL,
    last_post     BIGINT NOT NULL,
    last_error    TEXT NOT NULL,
    last_error_at BIGINT NOT NULL,
    created       BIGINT NOT NULL
);
CREATE UNIQUE INDEX chat_room_name ON chat_room (name_key);

-- What stands in a room, or with a person, of one alert.
CREATE TABLE chat_post (
    alert_id    TEXT NOT NULL,
    destination TEXT NOT NULL,
    channel_id  TEXT NOT NULL,
    post_id     TEXT NOT NULL,
    webhook     BOOLEAN NOT NULL,
    nonce       TEXT NOT NULL,
    tried       BIGINT NOT NULL,
    hash        TEXT NOT NULL,
    last_event  TEXT NOT NULL,
    replies     TEXT NOT NULL,
    gone        BOOLEAN NOT NULL,
    created     BIGINT NOT NULL,
    updated     BIGINT NOT NULL,
    PRIMARY KEY (alert_id, destination)
);

-- One row a button of a rendering. hash is the SHA-256 of its secret.
CREATE TABLE chat_button (
    hash        TEXT NOT NULL PRIMARY KEY,
    alert_id    TEXT NOT NULL,
    destination TEXT NOT NULL,
    action      TEXT NOT NULL,
    channel_id  TEXT NOT NULL,
    post_id     TEXT NOT NULL,
    made        BIGINT NOT NULL,
    expires     BIGINT NOT NULL,
    used        BIGINT NOT NULL,
    used_by     TEXT NOT NULL,
    reserved    BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX chat_button_of ON chat_button (alert_id, destination);
CREATE INDEX chat_button_end ON chat_button (expires);

CREATE TABLE chat_person (
    user_id    TEXT NOT NULL PRIMARY KEY,
    name       TEXT NOT NULL,
    contact_id TEXT NOT NULL REFERENCES contact (id) ON DELETE CASCADE,
    linked     BIGINT NOT NULL
);
CREATE INDEX chat_person_contact ON chat_person (contact_id);

-- hash is the SHA-256 of the token.
CREATE TABLE chat_link (
    hash    TEXT NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL,
    name    TEXT NOT NULL,
    expires BIGINT NOT NULL
);
