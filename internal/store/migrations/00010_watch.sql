-- +goose Up

-- After how many minutes without a sign of life a source is alerted of; 0: never.
ALTER TABLE source ADD COLUMN quiet_minutes BIGINT NOT NULL DEFAULT 0;
-- When that was set, or the source was enabled again: nothing before it counts.
ALTER TABLE source ADD COLUMN quiet_since BIGINT NOT NULL DEFAULT 0;
-- When it last said that it is alive, without an event.
ALTER TABLE source ADD COLUMN last_sign BIGINT NOT NULL DEFAULT 0;
-- While it is alerted of: since when it is silent; else 0.
ALTER TABLE source ADD COLUMN silent_since BIGINT NOT NULL DEFAULT 0;

-- What one node at a time does, or all do together: who did it last, since when it is
-- done without a gap, and when it was done last.
CREATE TABLE watch (
    name  TEXT   NOT NULL PRIMARY KEY,
    node  TEXT   NOT NULL,
    since BIGINT NOT NULL,
    seen  BIGINT NOT NULL
);

-- The span below which the deliveries of an event are traced. Written only while
-- traces are on, and kept for a day.
CREATE TABLE trace (
    event_id TEXT   NOT NULL PRIMARY KEY,
    parent   TEXT   NOT NULL,
    made     BIGINT NOT NULL
);
CREATE INDEX trace_made ON trace (made);
