-- +goose Up
-- Times are milliseconds since 1970 by the database's clock.
CREATE TABLE muster_outbox (
    id         INTEGER PRIMARY KEY AUTOINCREMENT, -- the order; never used again
    topic      TEXT    NOT NULL,
    key        TEXT    NOT NULL, -- '' is in no order
    attributes TEXT    NOT NULL, -- of the CloudEvent, as a JSON object
    data       BLOB    NOT NULL,
    not_before INTEGER NOT NULL DEFAULT 0,
    error      TEXT,             -- why the broker refused it for good
    created    INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER))
);
-- What later messages of its key wait for.
CREATE INDEX muster_outbox_waits ON muster_outbox (key, id) WHERE error IS NOT NULL OR not_before > 0;

-- +goose Down
DROP TABLE muster_outbox;
