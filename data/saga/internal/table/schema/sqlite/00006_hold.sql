-- +goose Up
CREATE TABLE muster_saga_hold (
    name     TEXT   NOT NULL,
    step     TEXT   NOT NULL,
    undoing  INTEGER NOT NULL, -- 1: it is held on the way back
    alike    TEXT   NOT NULL, -- what the errors have in common
    outcome  TEXT   NOT NULL, -- fault, bug
    error    TEXT   NOT NULL, -- one of them
    sagas    INTEGER NOT NULL, -- that failed so
    since    INTEGER NOT NULL,
    probe_at INTEGER NOT NULL, -- one saga is let through then; 0: never
    probe    TEXT   NOT NULL, -- its id; *: the next that comes; empty: none
    lifted   INTEGER NOT NULL, -- 0: it is held
    who      TEXT   NOT NULL, -- who lifted it; empty: a saga that was let through
    why      TEXT   NOT NULL,
    PRIMARY KEY (name, step, undoing)
) WITHOUT ROWID;
CREATE TABLE muster_saga_fault (
    name    TEXT   NOT NULL,
    step    TEXT   NOT NULL,
    undoing INTEGER NOT NULL,
    alike   TEXT   NOT NULL,
    id      TEXT   NOT NULL,
    at      INTEGER NOT NULL,
    PRIMARY KEY (name, step, undoing, alike, id)
) WITHOUT ROWID;

-- +goose Down
DROP TABLE muster_saga_fault;
DROP TABLE muster_saga_hold;
