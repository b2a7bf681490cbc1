-- +goose Up
ALTER TABLE muster_saga ADD COLUMN past TEXT NOT NULL DEFAULT ''; -- what went well; of each: seq, at, step, direction, outcome;

-- +goose Down
ALTER TABLE muster_saga DROP COLUMN past;
