-- +goose Up
-- Times are milliseconds since 1970 by the database's clock.
CREATE TABLE IF NOT EXISTS muster_idempotency (
    scope        varchar(500) NOT NULL, -- within which the key is unique
    "key"        varchar(255) NOT NULL,
    id           text   NOT NULL, -- of the operation: random, the same for all its attempts
    fingerprint  varbinary(64) NOT NULL, -- of the request that brought the key
    fence        bigint NOT NULL, -- counts the attempts
    locked_until bigint NOT NULL, -- until when the last attempt has it to itself
    answer       longblob,           -- NULL until the operation is done
    created      bigint NOT NULL,
    PRIMARY KEY (scope, "key")
) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;
CREATE INDEX IF NOT EXISTS muster_idempotency_created ON muster_idempotency (created);

-- +goose Down
DROP TABLE muster_idempotency;
