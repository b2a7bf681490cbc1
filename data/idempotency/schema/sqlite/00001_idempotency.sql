-- +goose Up
-- Times are milliseconds since 1970 by the database's clock.
CREATE TABLE muster_idempotency (
    scope        TEXT    NOT NULL, -- within which the key is unique
    key          TEXT    NOT NULL,
    id           TEXT    NOT NULL, -- of the operation: random, the same for all its attempts
    fingerprint  BLOB    NOT NULL, -- of the request that brought the key
    fence        INTEGER NOT NULL, -- counts the attempts
    locked_until INTEGER NOT NULL, -- until when the last attempt has it to itself
    answer       BLOB,             -- NULL until the operation is done
    created      INTEGER NOT NULL,
    PRIMARY KEY (scope, key)
) WITHOUT ROWID;
CREATE INDEX muster_idempotency_created ON muster_idempotency (created);

-- +goose Down
DROP TABLE muster_idempotency;
