-- +goose Up
-- Times are milliseconds since 1970 by the database's clock.
CREATE TABLE IF NOT EXISTS muster_lease (
    name       varchar(200) NOT NULL PRIMARY KEY,
    owner      text   NOT NULL, -- who had it last
    fence      bigint NOT NULL, -- counts the holders
    held_until bigint NOT NULL  -- 0 when it was released
) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;

-- +goose Down
DROP TABLE muster_lease;
