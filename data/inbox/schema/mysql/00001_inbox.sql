-- +goose Up
-- Times are milliseconds since 1970 by the database's clock.
CREATE TABLE IF NOT EXISTS muster_inbox (
    consumer varchar(128) NOT NULL, -- the group
    source   varchar(255) NOT NULL,
    id       varchar(255) NOT NULL,
    handled  bigint NOT NULL DEFAULT (CAST(UNIX_TIMESTAMP(SYSDATE(3)) * 1000 AS SIGNED)),
    PRIMARY KEY (consumer, source, id)
) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;
CREATE INDEX IF NOT EXISTS muster_inbox_handled ON muster_inbox (handled);

-- +goose Down
DROP TABLE muster_inbox;
