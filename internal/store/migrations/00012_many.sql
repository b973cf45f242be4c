-- +goose Up

-- Resolved alerts stand in blocks of some hundreds, in the order of the list. Of each
-- block it is known what may be in it, so that a list with a filter and a search read
-- only those where it may be found. See docs/adr/0053.

-- The block that the alert was counted to, 0: none yet. Who changes an alert sets it
-- to 0 again.
ALTER TABLE alert ADD COLUMN block BIGINT NOT NULL DEFAULT 0;
-- A program that does not know that would leave an alert in a block whose signs do not
-- tell of what it changed, and searches would never find it by that.
UPDATE counter SET value = 12 WHERE name = 'schema';
CREATE INDEX alert_loose ON alert (since, id) WHERE block = 0;

-- A block reaches from (since, id) to where the next one begins; (last_since, last_id)
-- is the newest alert in it.
CREATE TABLE alert_block (
    number     BIGINT NOT NULL PRIMARY KEY,
    since      BIGINT NOT NULL,
    id         TEXT   NOT NULL,
    last_since BIGINT NOT NULL,
    last_id    TEXT   NOT NULL,
    alerts     BIGINT NOT NULL,
    signs      BIGINT NOT NULL
);
CREATE UNIQUE INDEX alert_block_order ON alert_block (since, id);

-- What may be in 64 blocks: sign n is 8 bytes of the row with page n / 64, a bit for
-- each block.
CREATE TABLE alert_sign (
    page  BIGINT NOT NULL,
    shelf BIGINT NOT NULL,
    bits  BLOB   NOT NULL,
    PRIMARY KEY (page, shelf)
);
INSERT INTO counter (name, value) VALUES ('alert_block', 0);

-- The alerts of an object, the newest last.
CREATE INDEX alert_of ON alert (object_id, since, id);
DROP INDEX alert_object;
