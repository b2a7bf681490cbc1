-- +goose Up
-- Times are milliseconds since 1970 by the database's clock.
CREATE TABLE muster_lock (
    entity     text   NOT NULL PRIMARY KEY,
    owner      text   NOT NULL, -- for whom it is held: a saga
    held_until bigint NOT NULL  -- then anybody may take it
);
CREATE INDEX muster_lock_owner ON muster_lock (owner);
CREATE INDEX muster_lock_until ON muster_lock (held_until);

-- +goose Down
DROP TABLE muster_lock;
