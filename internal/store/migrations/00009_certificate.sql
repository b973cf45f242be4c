-- +goose Up
-- Certificates that a CA gave, for all nodes, and what it takes to get them.

-- A host name with its certificate: chain and private_key are PEM, the latter a
-- secret. busy is until when node has its order; asked is when
-- a person asked for a new one. What went wrong last, and when it
-- may be tried again, is everybody's: a CA counts all nodes as one.
CREATE TABLE certificate (
    name        TEXT NOT NULL PRIMARY KEY,
    chain       TEXT NOT NULL DEFAULT '',
    private_key TEXT NOT NULL DEFAULT '',
    since       BIGINT NOT NULL DEFAULT 0,
    until       BIGINT NOT NULL DEFAULT 0,
    node        TEXT NOT NULL DEFAULT '',
    busy        BIGINT NOT NULL DEFAULT 0,
    asked       BIGINT NOT NULL DEFAULT 0,
    tries       INTEGER NOT NULL DEFAULT 0,
    next        BIGINT NOT NULL DEFAULT 0,
    problem     TEXT NOT NULL DEFAULT '',
    mend        TEXT NOT NULL DEFAULT '',
    problem_at  BIGINT NOT NULL DEFAULT 0
);

-- The account at a CA, by the CA's address; private_key is a secret.
CREATE TABLE acme_account (
    directory   TEXT NOT NULL PRIMARY KEY,
    private_key TEXT NOT NULL
);

-- What a CA asks for, at any node.
CREATE TABLE acme_challenge (
    token   TEXT NOT NULL PRIMARY KEY,
    name    TEXT NOT NULL,
    answer  TEXT NOT NULL,
    expires BIGINT NOT NULL
);
CREATE INDEX acme_challenge_name ON acme_challenge (name);
