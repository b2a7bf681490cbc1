-- +goose Up
ALTER TABLE muster_saga ADD COLUMN ended INTEGER GENERATED ALWAYS AS (CASE WHEN state IN ('completed', 'compensated') THEN updated ELSE 0 END) VIRTUAL; -- 0: not yet
DROP INDEX muster_saga_state;
CREATE INDEX muster_saga_rest ON muster_saga (state, ended) WHERE state NOT IN ('running', 'compensating');

-- +goose Down
DROP INDEX muster_saga_rest;
ALTER TABLE muster_saga DROP COLUMN ended;
CREATE INDEX muster_saga_state ON muster_saga (state, updated);
