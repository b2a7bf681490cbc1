-- +goose Up
-- With an order of its own it is gone through in that, and what is dead in it is passed over.
DROP INDEX muster_saga_owner;
CREATE INDEX muster_saga_own ON muster_saga (owner, next_at) WHERE owner <> '';

-- +goose Down
DROP INDEX muster_saga_own;
CREATE INDEX muster_saga_owner ON muster_saga (owner) WHERE owner <> '';
