-- +goose Up
-- Times are milliseconds since 1970 by the database's clock; 0 is never.
CREATE TABLE muster_webhook_endpoint (
    id            TEXT    NOT NULL PRIMARY KEY,
    url           TEXT    NOT NULL,
    tenant        TEXT    NOT NULL, -- '' gets the events of all
    description   TEXT    NOT NULL,
    topics        TEXT    NOT NULL, -- patterns, as a JSON array
    secret        TEXT    NOT NULL,
    old_secret    TEXT    NOT NULL DEFAULT '', -- signs beside it until old_until
    old_until     INTEGER NOT NULL DEFAULT 0,
    disabled      TEXT    NOT NULL DEFAULT '', -- why; '' is enabled
    failures      INTEGER NOT NULL DEFAULT 0, -- in a row
    failing_since INTEGER NOT NULL DEFAULT 0,
    not_before    INTEGER NOT NULL DEFAULT 0, -- left alone until then
    last_status   INTEGER NOT NULL DEFAULT 0,
    last_error    TEXT    NOT NULL DEFAULT '',
    last_tried    INTEGER NOT NULL DEFAULT 0,
    last_ok       INTEGER NOT NULL DEFAULT 0,
    created       INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER))
);
CREATE TABLE muster_webhook_event (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    source  TEXT    NOT NULL,
    event   TEXT    NOT NULL,
    topic   TEXT    NOT NULL,
    message TEXT    NOT NULL, -- the webhook-id
    body    BLOB    NOT NULL,
    created INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER)),
    UNIQUE (source, event)
);
CREATE INDEX muster_webhook_event_created ON muster_webhook_event (created);
CREATE TABLE muster_webhook_delivery (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    endpoint     TEXT    NOT NULL,
    event        INTEGER NOT NULL, -- of muster_webhook_event
    state        TEXT    NOT NULL DEFAULT 'waiting', -- delivered, dead
    attempts     INTEGER NOT NULL DEFAULT 0,
    next         INTEGER NOT NULL DEFAULT 0,
    leased_until INTEGER NOT NULL DEFAULT 0,
    fence        INTEGER NOT NULL DEFAULT 0,
    status       INTEGER NOT NULL DEFAULT 0, -- of the last answer
    error        TEXT    NOT NULL DEFAULT '',
    answer       TEXT    NOT NULL DEFAULT '', -- its beginning
    took         INTEGER NOT NULL DEFAULT 0,  -- milliseconds
    tried        INTEGER NOT NULL DEFAULT 0,
    UNIQUE (endpoint, event)
);
CREATE INDEX muster_webhook_delivery_due ON muster_webhook_delivery (endpoint, next) WHERE state = 'waiting';
CREATE INDEX muster_webhook_delivery_event ON muster_webhook_delivery (event);

-- +goose Down
DROP TABLE muster_webhook_delivery;
DROP TABLE muster_webhook_event;
DROP TABLE muster_webhook_endpoint;
