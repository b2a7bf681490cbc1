-- +goose Up
-- Times are milliseconds since 1970 by the database's clock.
CREATE TABLE IF NOT EXISTS muster_parked (
    id           bigint  NOT NULL AUTO_INCREMENT PRIMARY KEY, -- the order within a key; never used again
    consumer     varchar(128) NOT NULL, -- the group
    source       varchar(255) NOT NULL,
    event        varchar(255) NOT NULL, -- its id, unique within the source
    topic        text    NOT NULL,
    "key"        varchar(255) NOT NULL, -- '' is in no order
    attributes   longtext NOT NULL, -- of the CloudEvent, as a JSON object
    data         longblob NOT NULL,
    attempts     bigint  NOT NULL, -- tries that failed, the one under way included
    error        text    NOT NULL, -- of the last of them
    dead         boolean NOT NULL, -- not tried again until a person says so
    next         bigint  NOT NULL, -- not tried before this
    fence        bigint  NOT NULL DEFAULT 0, -- counts the leases
    leased_until bigint  NOT NULL DEFAULT 0,
    lost         bigint  NOT NULL DEFAULT 0, -- of the last tries, in a row: those that ended without a word
    parked       bigint  NOT NULL DEFAULT (CAST(UNIX_TIMESTAMP(SYSDATE(3)) * 1000 AS SIGNED)),
    UNIQUE (consumer, source, event)
) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;
CREATE INDEX IF NOT EXISTS muster_parked_key ON muster_parked (consumer, "key", id);
CREATE INDEX IF NOT EXISTS muster_parked_due ON muster_parked (consumer, dead, next);

-- +goose Down
DROP TABLE muster_parked;
