-- +goose Up
-- Times are milliseconds since 1970 by the database's clock.
CREATE TABLE muster_lease (
    name       text   NOT NULL PRIMARY KEY,
    owner      text   NOT NULL, -- who had it last
    fence      bigint NOT NULL, -- counts the holders
    held_until bigint NOT NULL  -- 0 when it was released
);

-- +goose Down
DROP TABLE muster_lease;
