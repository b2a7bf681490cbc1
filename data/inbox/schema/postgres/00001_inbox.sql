-- +goose Up
-- Times are milliseconds since 1970 by the database's clock.
CREATE TABLE muster_inbox (
    consumer text   NOT NULL, -- the group
    source   text   NOT NULL,
    id       text   NOT NULL,
    handled  bigint NOT NULL DEFAULT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint),
    PRIMARY KEY (consumer, source, id)
);
CREATE INDEX muster_inbox_handled ON muster_inbox (handled);

-- +goose Down
DROP TABLE muster_inbox;
