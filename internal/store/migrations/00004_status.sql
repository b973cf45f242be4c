-- +goose Up
-- The public status page.

-- The public pages that a device follows, since joined, and what it wants of
-- each. Pieces of publications are planned from the key alone.
CREATE TABLE subscription_page (
    page_id         TEXT NOT NULL,
    subscription_id TEXT NOT NULL REFERENCES push_subscription (id) ON DELETE CASCADE ON UPDATE CASCADE,
    joined          BIGINT NOT NULL,
    want            TEXT NOT NULL,
    PRIMARY KEY (page_id, subscription_id)
);
CREATE INDEX subscription_page_subscription ON subscription_page (subscription_id);
INSERT INTO subscription_page (page_id, subscription_id, joined, want)
    SELECT page_id, id, joined, want FROM push_subscription WHERE page_id <> '' ORDER BY page_id, id;
DROP INDEX push_subscription_page;
ALTER TABLE push_subscription DROP COLUMN page_id;
ALTER TABLE push_subscription DROP COLUMN joined;
ALTER TABLE push_subscription DROP COLUMN want;

-- version rises with every change that visitors can see. closed is the last date
-- of the page's zone whose days are closed, '' for none; intervals that ended
-- before kept may be gone.
CREATE TABLE page (
    id            TEXT NOT NULL PRIMARY KEY,
    slug          TEXT NOT NULL,
    host          TEXT NOT NULL,
    main          BOOLEAN NOT NULL,
    name          TEXT NOT NULL,
    body          TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    version       BIGINT NOT NULL,
    closed        TEXT NOT NULL,
    days          BIGINT NOT NULL, -- rises whenever closed days are written
    kept          BIGINT NOT NULL,
    created       BIGINT NOT NULL
);
CREATE UNIQUE INDEX page_slug ON page (slug);
CREATE UNIQUE INDEX page_host ON page (host) WHERE host <> '';
CREATE UNIQUE INDEX page_main ON page (main) WHERE main;

CREATE TABLE page_group (
    id        TEXT NOT NULL PRIMARY KEY,
    page_id   TEXT NOT NULL REFERENCES page (id) ON DELETE CASCADE,
    parent_id TEXT NOT NULL,
    name      TEXT NOT NULL,
    about     TEXT NOT NULL,
    position  BIGINT NOT NULL,
    unfolded  BOOLEAN NOT NULL,
    created   BIGINT NOT NULL
);
CREATE INDEX page_group_page ON page_group (page_id);

CREATE TABLE component (
    id       TEXT NOT NULL PRIMARY KEY,
    page_id  TEXT NOT NULL REFERENCES page (id) ON DELETE CASCADE,
    group_id TEXT NOT NULL,
    name     TEXT NOT NULL,
    about    TEXT NOT NULL,
    link     TEXT NOT NULL,
    position BIGINT NOT NULL,
    hidden   BOOLEAN NOT NULL,
    state    TEXT NOT NULL,
    since    BIGINT NOT NULL,
    by_hand  BOOLEAN NOT NULL,
    bindings TEXT NOT NULL,
    created  BIGINT NOT NULL
);
CREATE INDEX component_page ON component (page_id);
CREATE INDEX component_bound ON component (page_id) WHERE bindings <> '';

-- What alerts and downtimes last said of a component that is bound to them,
-- after its hold-down, whatever a person made of it.
CREATE TABLE component_watch (
    component_id TEXT NOT NULL PRIMARY KEY REFERENCES component (id) ON DELETE CASCADE,
    state        TEXT NOT NULL,
    downtime     BOOLEAN NOT NULL
);

-- As shown to visitors, with maintenance. The last one of a component ends at
-- 253402300799000, the end of the year 9999.
CREATE TABLE component_interval (
    component_id TEXT NOT NULL REFERENCES component (id) ON DELETE CASCADE,
    begins       BIGINT NOT NULL,
    ends         BIGINT NOT NULL,
    state        TEXT NOT NULL,
    author       TEXT NOT NULL,
    page_id      TEXT NOT NULL,
    PRIMARY KEY (component_id, begins)
);
CREATE INDEX component_interval_recent ON component_interval (page_id, ends);

-- The closed days of a month, see days.go.
CREATE TABLE component_days (
    component_id TEXT NOT NULL REFERENCES component (id) ON DELETE CASCADE,
    month        TEXT NOT NULL,
    page_id      TEXT NOT NULL,
    days         TEXT NOT NULL,
    PRIMARY KEY (component_id, month)
);
CREATE INDEX component_days_page ON component_days (page_id, month);

-- ended is 0 while it is open.
CREATE TABLE incident (
    id         TEXT NOT NULL PRIMARY KEY,
    page_id    TEXT NOT NULL REFERENCES page (id) ON DELETE CASCADE,
    title      TEXT NOT NULL,
    phase      TEXT NOT NULL,
    impact     TEXT NOT NULL,
    draft      BOOLEAN NOT NULL,
    automatic  BOOLEAN NOT NULL,
    publish_at BIGINT NOT NULL,
    started    BIGINT NOT NULL,
    ended      BIGINT NOT NULL,
    components TEXT NOT NULL,
    postmortem TEXT NOT NULL,
    created    BIGINT NOT NULL
);
CREATE INDEX incident_ended ON incident (page_id, ended);
CREATE INDEX incident_started ON incident (page_id, started);
CREATE INDEX incident_draft ON incident (publish_at) WHERE draft;

CREATE TABLE incident_alert (
    incident_id TEXT NOT NULL REFERENCES incident (id) ON DELETE CASCADE,
    alert_id    TEXT NOT NULL,
    PRIMARY KEY (incident_id, alert_id)
);
CREATE INDEX incident_alert_alert ON incident_alert (alert_id);

CREATE TABLE maintenance_series (
    id         TEXT NOT NULL PRIMARY KEY,
    page_id    TEXT NOT NULL REFERENCES page (id) ON DELETE CASCADE,
    title      TEXT NOT NULL,
    body       TEXT NOT NULL,
    components TEXT NOT NULL,
    impact     TEXT NOT NULL,
    rule       TEXT NOT NULL,
    zone       TEXT NOT NULL,
    begins     BIGINT NOT NULL,
    minutes    BIGINT NOT NULL,
    until      BIGINT NOT NULL,
    planned    BIGINT NOT NULL
);
CREATE INDEX maintenance_series_page ON maintenance_series (page_id);

CREATE TABLE maintenance (
    id         TEXT NOT NULL PRIMARY KEY,
    page_id    TEXT NOT NULL REFERENCES page (id) ON DELETE CASCADE,
    title      TEXT NOT NULL,
    phase      TEXT NOT NULL,
    impact     TEXT NOT NULL,
    components TEXT NOT NULL,
    begins     BIGINT NOT NULL,
    ends       BIGINT NOT NULL,
    auto_start BOOLEAN NOT NULL,
    auto_end   BOOLEAN NOT NULL,
    automatic  BOOLEAN NOT NULL,
    series     TEXT NOT NULL,
    reminded   TEXT NOT NULL,
    ended      BIGINT NOT NULL,
    created    BIGINT NOT NULL
);
CREATE INDEX maintenance_ended ON maintenance (page_id, ended);
CREATE INDEX maintenance_begins ON maintenance (page_id, begins);
CREATE UNIQUE INDEX maintenance_of_series ON maintenance (series, begins) WHERE series <> '';

-- Of an incident or a maintenance.
CREATE TABLE page_update (
    id       TEXT NOT NULL PRIMARY KEY,
    of_id    TEXT NOT NULL,
    phase    TEXT NOT NULL,
    body     TEXT NOT NULL,
    happened BIGINT NOT NULL,
    posted   BIGINT NOT NULL,
    author   TEXT NOT NULL,
    changes  TEXT NOT NULL,
    silent   BOOLEAN NOT NULL
);
CREATE INDEX page_update_of ON page_update (of_id, happened, id);

CREATE TABLE page_template (
    id       TEXT NOT NULL PRIMARY KEY,
    page_id  TEXT NOT NULL REFERENCES page (id) ON DELETE CASCADE,
    name     TEXT NOT NULL,
    name_key TEXT NOT NULL,
    body     TEXT NOT NULL
);
CREATE UNIQUE INDEX page_template_name ON page_template (page_id, name_key);

CREATE TABLE page_image (
    id      TEXT NOT NULL PRIMARY KEY,
    page_id TEXT NOT NULL REFERENCES page (id) ON DELETE CASCADE,
    kind    TEXT NOT NULL,
    body    BLOB NOT NULL,
    created BIGINT NOT NULL
);
CREATE INDEX page_image_page ON page_image (page_id);

-- Ids ascend in time. It outlives the page it is about.
CREATE TABLE page_audit (
    id         TEXT NOT NULL PRIMARY KEY,
    page_id    TEXT NOT NULL,
    happened   BIGINT NOT NULL,
    user_id    TEXT NOT NULL,
    author     TEXT NOT NULL,
    what       TEXT NOT NULL,
    subject_id TEXT NOT NULL,
    name       TEXT NOT NULL,
    was        TEXT NOT NULL,
    is_now     TEXT NOT NULL
);
CREATE INDEX page_audit_page ON page_audit (page_id, id);
CREATE INDEX page_audit_subject ON page_audit (subject_id, id);
CREATE INDEX page_audit_happened ON page_audit (happened);

-- The incident or maintenance that a publication is about.
ALTER TABLE publication ADD COLUMN topic TEXT NOT NULL DEFAULT '';
CREATE INDEX publication_topic ON publication (page_id, topic, id) WHERE topic <> '';
