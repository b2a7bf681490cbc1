-- +goose Up
CREATE TABLE copies (
    id       TEXT   PRIMARY KEY,
    name     TEXT   NOT NULL DEFAULT '',
    category TEXT   NOT NULL DEFAULT '',
    price    BIGINT NOT NULL DEFAULT 0, -- cents
    free     BIGINT NOT NULL DEFAULT 0,
    version  BIGINT NOT NULL DEFAULT 0, -- of free
    ordered  BIGINT NOT NULL DEFAULT 0
);

-- +goose Down
DROP TABLE copies;
