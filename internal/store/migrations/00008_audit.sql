-- +goose Up
-- Who changed what, and the keys that secrets are kept with.

-- One line for each change and each sign-in. Lines are added and, when their time is
-- over, deleted; none is ever changed. changes is JSON: the fields that differ.
CREATE TABLE audit (
    id           TEXT NOT NULL PRIMARY KEY,
    happened     BIGINT NOT NULL,
    actor_kind   TEXT NOT NULL,
    actor_id     TEXT NOT NULL,
    actor        TEXT NOT NULL,
    address      TEXT NOT NULL,
    action       TEXT NOT NULL,
    subject_kind TEXT NOT NULL,
    subject_id   TEXT NOT NULL,
    subject      TEXT NOT NULL,
    note         TEXT NOT NULL,
    changes      TEXT NOT NULL
);
CREATE INDEX audit_happened ON audit (happened, id);
CREATE INDEX audit_subject ON audit (subject_id, happened, id);
CREATE INDEX audit_actor ON audit (actor_id, happened, id);

-- The trail of public pages has its own table, because it goes with a page that is
-- exported. Both are read as one. actor_kind is empty in lines of older versions.
ALTER TABLE page_audit ADD COLUMN actor_kind TEXT NOT NULL DEFAULT '';
ALTER TABLE page_audit ADD COLUMN actor_id TEXT NOT NULL DEFAULT '';
ALTER TABLE page_audit ADD COLUMN address TEXT NOT NULL DEFAULT '';

-- Secrets are sealed with the key that is not retired, the others are read with until nothing
-- needs them. Each is sealed itself, with the key from outside that outer_id names.
CREATE TABLE vault_key (
    id       TEXT NOT NULL PRIMARY KEY,
    sealed   TEXT NOT NULL,
    outer_id TEXT NOT NULL,
    created  BIGINT NOT NULL,
    retired  BIGINT NOT NULL
);
CREATE UNIQUE INDEX vault_key_current ON vault_key (retired) WHERE retired = 0;
