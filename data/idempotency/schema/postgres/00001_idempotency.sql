-- +goose Up
-- Times are milliseconds since 1970 by the database's clock.
CREATE TABLE muster_idempotency (
    scope        text   NOT NULL, -- within which the key is unique
    key          text   NOT NULL,
    id           text   NOT NULL, -- of the operation: random, the same for all its attempts
    fingerprint  bytea  NOT NULL, -- of the request that brought the key
    fence        bigint NOT NULL, -- counts the attempts
    locked_until bigint NOT NULL, -- until when the last attempt has it to itself
    answer       bytea,           -- NULL until the operation is done
    created      bigint NOT NULL,
    PRIMARY KEY (scope, key)
);
CREATE INDEX muster_idempotency_created ON muster_idempotency (created);

-- +goose Down
DROP TABLE muster_idempotency;
