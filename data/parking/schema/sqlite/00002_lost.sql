-- +goose Up
ALTER TABLE muster_parked ADD COLUMN lost INTEGER NOT NULL DEFAULT 0; -- of the last tries, in a row: those that ended without a word

-- +goose Down
ALTER TABLE muster_parked DROP COLUMN lost;
