-- +goose Up
-- Times are milliseconds since 1970 by the database's clock.
CREATE TABLE muster_parked (
    id           INTEGER PRIMARY KEY AUTOINCREMENT, -- the order within a key; never used again
    consumer     TEXT    NOT NULL, -- the group
    source       TEXT    NOT NULL,
    event        TEXT    NOT NULL, -- its id, unique within the source
    topic        TEXT    NOT NULL,
    key          TEXT    NOT NULL, -- '' is in no order
    attributes   TEXT    NOT NULL, -- of the CloudEvent, as a JSON object
    data         BLOB    NOT NULL,
    attempts     INTEGER NOT NULL, -- tries that failed, the one under way included
    error        TEXT    NOT NULL, -- of the last of them
    dead         BOOLEAN NOT NULL, -- not tried again until a person says so
    next         INTEGER NOT NULL, -- not tried before this
    fence        INTEGER NOT NULL DEFAULT 0, -- counts the leases
    leased_until INTEGER NOT NULL DEFAULT 0,
    parked       INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER)),
    UNIQUE (consumer, source, event)
);
CREATE INDEX muster_parked_key ON muster_parked (consumer, key, id);
CREATE INDEX muster_parked_due ON muster_parked (consumer, next) WHERE NOT dead;

-- +goose Down
DROP TABLE muster_parked;
