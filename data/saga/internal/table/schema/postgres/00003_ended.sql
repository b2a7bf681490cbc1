-- +goose Up
-- A step that is followed by another changes no indexed column: PostgreSQL writes such a row
-- beside its old version, where the page has room, and touches no index.
ALTER TABLE muster_saga SET (fillfactor = 60);
ALTER TABLE muster_saga ADD COLUMN ended bigint NOT NULL GENERATED ALWAYS AS (CASE WHEN state IN ('completed', 'compensated') THEN updated ELSE 0 END) STORED; -- 0: not yet
DROP INDEX muster_saga_state;
CREATE INDEX muster_saga_rest ON muster_saga (state, ended) WHERE state NOT IN ('running', 'compensating');

-- +goose Down
DROP INDEX muster_saga_rest;
ALTER TABLE muster_saga DROP COLUMN ended;
ALTER TABLE muster_saga RESET (fillfactor);
CREATE INDEX muster_saga_state ON muster_saga (state, updated);
