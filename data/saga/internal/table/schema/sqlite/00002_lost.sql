-- +goose Up
ALTER TABLE muster_saga ADD COLUMN lost INTEGER NOT NULL DEFAULT 0; -- of its last holders, in a row: those that ended in the middle of the step
CREATE INDEX muster_saga_lost ON muster_saga (next_at) WHERE lost >= 3;

-- +goose Down
DROP INDEX muster_saga_lost;
ALTER TABLE muster_saga DROP COLUMN lost;
