-- +goose Up
-- Times are milliseconds since 1970 by the database's clock.
CREATE TABLE muster_lock (
    entity     TEXT    NOT NULL PRIMARY KEY,
    owner      TEXT    NOT NULL, -- for whom it is held: a saga
    held_until INTEGER NOT NULL  -- then anybody may take it
) WITHOUT ROWID;
CREATE INDEX muster_lock_owner ON muster_lock (owner);
CREATE INDEX muster_lock_until ON muster_lock (held_until);

-- +goose Down
DROP TABLE muster_lock;
