-- +goose Up
-- Times are milliseconds since 1970 by the database's clock.
CREATE TABLE muster_lease (
    name       TEXT    NOT NULL PRIMARY KEY,
    owner      TEXT    NOT NULL, -- who had it last
    fence      INTEGER NOT NULL, -- counts the holders
    held_until INTEGER NOT NULL  -- 0 when it was released
) WITHOUT ROWID;

-- +goose Down
DROP TABLE muster_lease;
