-- +goose Up
-- Times are milliseconds since 1970 by the database's clock.
CREATE TABLE muster_inbox (
    consumer TEXT    NOT NULL, -- the group
    source   TEXT    NOT NULL,
    id       TEXT    NOT NULL,
    handled  INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER)),
    PRIMARY KEY (consumer, source, id)
) WITHOUT ROWID;
CREATE INDEX muster_inbox_handled ON muster_inbox (handled);

-- +goose Down
DROP TABLE muster_inbox;
