-- +goose Up
-- Times are milliseconds since 1970 by the database's clock.
CREATE TABLE IF NOT EXISTS muster_lock (
    entity     varchar(500) NOT NULL PRIMARY KEY,
    owner      varchar(250) NOT NULL, -- for whom it is held: a saga
    held_until bigint NOT NULL  -- then anybody may take it
) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;
CREATE INDEX IF NOT EXISTS muster_lock_owner ON muster_lock (owner);
CREATE INDEX IF NOT EXISTS muster_lock_until ON muster_lock (held_until);

-- +goose Down
DROP TABLE muster_lock;
