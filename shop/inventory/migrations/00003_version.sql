-- +goose Up
-- Counts the changes of a product's stock, so that who hears of two of them knows which is the later.
ALTER TABLE stock ADD COLUMN version BIGINT NOT NULL DEFAULT 1;

-- What was told to everybody once, whichever replica came first.
CREATE TABLE announced (name TEXT PRIMARY KEY);

-- +goose Down
DROP TABLE announced;
ALTER TABLE stock DROP COLUMN version;
