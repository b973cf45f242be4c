-- +goose Up
-- Who is told of a public page by e-mail or by a webhook.

-- address_key is the SHA-256 of channel and address, the letters of which are all
-- small there: who subscribes twice is one row. confirmed is 0 until the address
-- said that it wants so; asked is what it is asked whether it wants, since
-- asked_at, and question_due when the question is to be sent, 0 for never.
CREATE TABLE visitor (
    id               TEXT NOT NULL PRIMARY KEY,
    page_id          TEXT NOT NULL REFERENCES page (id) ON DELETE CASCADE,
    channel          TEXT NOT NULL,
    address          TEXT NOT NULL,
    address_key      BLOB NOT NULL,
    language         TEXT NOT NULL,
    want             TEXT NOT NULL,
    secret           BLOB NOT NULL,
    created          BIGINT NOT NULL,
    confirmed        BIGINT NOT NULL,
    asked            TEXT NOT NULL,
    asked_at         BIGINT NOT NULL,
    question_due     BIGINT NOT NULL,
    question_attempt BIGINT NOT NULL,
    failures         BIGINT NOT NULL
);
CREATE UNIQUE INDEX visitor_address ON visitor (page_id, address_key);
CREATE INDEX visitor_told ON visitor (page_id, channel, id) WHERE confirmed > 0;
CREATE INDEX visitor_question ON visitor (channel, question_due) WHERE question_due > 0;
CREATE INDEX visitor_unconfirmed ON visitor (page_id) WHERE confirmed = 0;
CREATE INDEX visitor_asked ON visitor (asked_at) WHERE asked_at > 0;

-- Subscribers that were ended because of what became of their messages, without
-- their addresses.
CREATE TABLE visitor_end (
    id      TEXT NOT NULL PRIMARY KEY,
    page_id TEXT NOT NULL REFERENCES page (id) ON DELETE CASCADE,
    channel TEXT NOT NULL,
    at      BIGINT NOT NULL,
    why     TEXT NOT NULL
);
CREATE INDEX visitor_end_page ON visitor_end (page_id, at);
CREATE INDEX visitor_end_at ON visitor_end (at);

-- A publication's way to the subscribers of one channel, up to until_id, that had
-- confirmed at taken. due is when it may be claimed, and while claimed the end of
-- the lease. done says that all were looked at, finished that nothing is left.
CREATE TABLE visitor_part (
    publication_id TEXT NOT NULL,
    channel        TEXT NOT NULL,
    page_id        TEXT NOT NULL,
    taken          BIGINT NOT NULL,
    expires        BIGINT NOT NULL,
    until_id       TEXT NOT NULL,
    expected       BIGINT NOT NULL,
    position       TEXT NOT NULL,
    due            BIGINT NOT NULL,
    attempt        BIGINT NOT NULL,
    node           TEXT NOT NULL,
    waits          TEXT NOT NULL,
    done           BOOLEAN NOT NULL,
    looked         BIGINT NOT NULL,
    sent           BIGINT NOT NULL,
    gone           BIGINT NOT NULL,
    failed         BIGINT NOT NULL,
    expired        BIGINT NOT NULL,
    unwanted       BIGINT NOT NULL,
    repeats        BIGINT NOT NULL,
    retried        BIGINT NOT NULL,
    ended          BIGINT NOT NULL,
    finished       BIGINT NOT NULL,
    PRIMARY KEY (publication_id, channel)
);
CREATE INDEX visitor_part_due ON visitor_part (channel, due) WHERE NOT done;

-- All of a publication's text, for who has room for it.
CREATE TABLE visitor_text (
    publication_id TEXT NOT NULL PRIMARY KEY,
    markdown       TEXT NOT NULL
);

CREATE TABLE visitor_retry (
    publication_id TEXT NOT NULL,
    visitor_id     TEXT NOT NULL,
    channel        TEXT NOT NULL,
    attempt        BIGINT NOT NULL,
    due            BIGINT NOT NULL,
    detail         TEXT NOT NULL,
    PRIMARY KEY (publication_id, visitor_id)
);
CREATE INDEX visitor_retry_due ON visitor_retry (channel, due);

CREATE TABLE visitor_problem (
    publication_id TEXT NOT NULL,
    channel        TEXT NOT NULL,
    problem        TEXT NOT NULL,
    times          BIGINT NOT NULL,
    PRIMARY KEY (publication_id, channel, problem)
);
