-- +goose Up
-- Web Push: devices, the keys they are bound to, and publications to many.

ALTER TABLE delivery ADD COLUMN destination TEXT NOT NULL DEFAULT '';
ALTER TABLE delivery ADD COLUMN destination_name TEXT NOT NULL DEFAULT '';
ALTER TABLE delivery ADD COLUMN quiet BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE alert ADD COLUMN snoozed BIGINT NOT NULL DEFAULT 0;

-- Blanks that a row is inserted with, for what it grows by when it ends; see
-- dialect.go.
ALTER TABLE alert ADD COLUMN room TEXT NOT NULL DEFAULT '';
ALTER TABLE delivery ADD COLUMN room TEXT NOT NULL DEFAULT '';

-- One row a device: a user's, a visitor's of a page since joined, or both.
-- Endpoints have hundreds of characters, and some services' more than PostgreSQL
-- takes into an index: the first 16 bytes of their SHA-256 stand for them, and
-- keep the index a tenth of the size. keys are the device's public key and its
-- secret, 65 and 16 bytes, in one column as they are always read together, a
-- million times.
CREATE TABLE push_subscription (
    id            TEXT NOT NULL PRIMARY KEY,
    endpoint_hash BLOB NOT NULL,
    endpoint      TEXT NOT NULL,
    keys          BLOB NOT NULL,
    key_id        TEXT NOT NULL,
    language      TEXT NOT NULL,
    want          TEXT NOT NULL,
    failures      BIGINT NOT NULL,
    user_id       TEXT NOT NULL,
    name          TEXT NOT NULL,
    page_id       TEXT NOT NULL,
    joined        BIGINT NOT NULL,
    created       BIGINT NOT NULL,
    seen          BIGINT NOT NULL,
    expires       BIGINT NOT NULL,
    moved         BIGINT NOT NULL,
    last_success  BIGINT NOT NULL,
    last_error    TEXT NOT NULL
);
CREATE UNIQUE INDEX push_subscription_endpoint ON push_subscription (endpoint_hash);
-- Pieces are planned from this index alone.
CREATE INDEX push_subscription_page ON push_subscription (page_id, id);
CREATE INDEX push_subscription_key ON push_subscription (key_id);
CREATE INDEX push_subscription_user ON push_subscription (user_id, id) WHERE user_id <> '';
CREATE INDEX push_subscription_expires ON push_subscription (expires) WHERE expires > 0;

CREATE TABLE push_key (
    id          TEXT NOT NULL PRIMARY KEY,
    public      TEXT NOT NULL,
    private     TEXT NOT NULL,
    created     BIGINT NOT NULL,
    retired     BIGINT NOT NULL,
    environment BOOLEAN NOT NULL
);
-- One key is the current one, whatever several nodes do at once.
CREATE UNIQUE INDEX push_key_current ON push_key (retired) WHERE retired = 0;

CREATE TABLE secret (
    name  TEXT NOT NULL PRIMARY KEY,
    value BLOB NOT NULL
);

-- The tokens of notifications' buttons that were used, until they expire.
CREATE TABLE used_token (
    nonce    TEXT NOT NULL PRIMARY KEY,
    expires  BIGINT NOT NULL,
    reserved BIGINT NOT NULL,
    finished BOOLEAN NOT NULL
);
CREATE INDEX used_token_end ON used_token (expires);

CREATE TABLE push_service (
    origin       TEXT NOT NULL PRIMARY KEY,
    accepted     BIGINT NOT NULL,
    gone         BIGINT NOT NULL,
    failed       BIGINT NOT NULL,
    retried      BIGINT NOT NULL,
    refused      BIGINT NOT NULL,
    last_success BIGINT NOT NULL,
    last_failure BIGINT NOT NULL,
    last_error   TEXT NOT NULL
);

-- A publication goes to the page's subscriptions up to until_id that were there
-- at taken. It is planned up to position, in so many pieces. What became of
-- retries is counted here, all else in the pieces.
CREATE TABLE publication (
    id       TEXT NOT NULL PRIMARY KEY,
    page_id  TEXT NOT NULL,
    body     TEXT NOT NULL,
    created  BIGINT NOT NULL,
    expires  BIGINT NOT NULL,
    taken    BIGINT NOT NULL,
    until_id TEXT NOT NULL,
    expected BIGINT NOT NULL,
    position TEXT NOT NULL,
    pieces   BIGINT NOT NULL,
    planned  BOOLEAN NOT NULL,
    sent     BIGINT NOT NULL,
    gone     BIGINT NOT NULL,
    failed   BIGINT NOT NULL,
    expired  BIGINT NOT NULL,
    ended    BIGINT NOT NULL,
    finished BIGINT NOT NULL
);
CREATE INDEX publication_open ON publication (expires) WHERE finished = 0;
CREATE INDEX publication_finished ON publication (finished) WHERE finished > 0;

-- due is when it may be claimed, and while claimed the end of the lease.
CREATE TABLE publication_piece (
    publication_id TEXT NOT NULL,
    number         BIGINT NOT NULL,
    from_id        TEXT NOT NULL,
    to_id          TEXT NOT NULL,
    position       TEXT NOT NULL,
    size           BIGINT NOT NULL,
    looked         BIGINT NOT NULL,
    due            BIGINT NOT NULL,
    attempt        BIGINT NOT NULL,
    node           TEXT NOT NULL,
    done           BOOLEAN NOT NULL,
    sent           BIGINT NOT NULL,
    gone           BIGINT NOT NULL,
    failed         BIGINT NOT NULL,
    expired        BIGINT NOT NULL,
    unwanted       BIGINT NOT NULL,
    repeats        BIGINT NOT NULL,
    retried        BIGINT NOT NULL,
    PRIMARY KEY (publication_id, number)
);
CREATE INDEX publication_piece_due ON publication_piece (due) WHERE NOT done;

-- id is the publication's and the subscription's with a slash between.
CREATE TABLE publication_retry (
    id      TEXT NOT NULL PRIMARY KEY,
    attempt BIGINT NOT NULL,
    due     BIGINT NOT NULL,
    detail  TEXT NOT NULL
);
CREATE INDEX publication_retry_due ON publication_retry (due);

-- Of a piece, or of the retries where the piece is 0.
CREATE TABLE publication_problem (
    publication_id TEXT NOT NULL,
    piece          BIGINT NOT NULL,
    problem        TEXT NOT NULL,
    times          BIGINT NOT NULL,
    PRIMARY KEY (publication_id, piece, problem)
);

CREATE TABLE snooze (
    alert_id   TEXT NOT NULL,
    contact_id TEXT NOT NULL,
    until      BIGINT NOT NULL,
    author     TEXT NOT NULL,
    made       BIGINT NOT NULL,
    PRIMARY KEY (alert_id, contact_id)
);
CREATE INDEX snooze_end ON snooze (until);
