-- +goose Up
-- Times are milliseconds since 1970 by the database's clock.
CREATE TABLE muster_saga (
    name         TEXT    NOT NULL,
    id           TEXT    NOT NULL,
    version      INTEGER NOT NULL, -- of the definition that it runs by
    state        TEXT    NOT NULL, -- running, waiting, compensating, paused, completed, compensated
    undoing      INTEGER NOT NULL, -- 1: it goes back
    step         TEXT    NOT NULL, -- at hand; end: only the hook is left
    attempts     INTEGER NOT NULL, -- of the step that failed
    faults       INTEGER NOT NULL, -- of the attempts: those for no known reason
    doubt        INTEGER NOT NULL, -- 1: an attempt of the step may have had an effect
    data         BLOB    NOT NULL,
    fence        INTEGER NOT NULL, -- counts the holders, and those who interfered
    owner        TEXT    NOT NULL, -- who holds it; empty: nobody
    leased_until INTEGER NOT NULL,
    next_at      INTEGER NOT NULL, -- not carried on before
    reason       TEXT    NOT NULL, -- why it is compensated
    error        TEXT    NOT NULL, -- of the last attempt of the step
    seq          INTEGER NOT NULL, -- counts what happened to it
    trace_parent TEXT    NOT NULL, -- of the request that started it
    created      INTEGER NOT NULL,
    updated      INTEGER NOT NULL,
    PRIMARY KEY (name, id)
) WITHOUT ROWID;
CREATE INDEX muster_saga_due ON muster_saga (next_at) WHERE state IN ('running', 'compensating');
CREATE INDEX muster_saga_owner ON muster_saga (owner) WHERE owner <> '';
CREATE INDEX muster_saga_state ON muster_saga (state, updated);

CREATE TABLE muster_saga_step (
    name      TEXT    NOT NULL,
    id        TEXT    NOT NULL,
    seq       INTEGER NOT NULL,
    step      TEXT    NOT NULL,
    direction TEXT    NOT NULL, -- do, undo
    outcome   TEXT    NOT NULL,
    error     TEXT    NOT NULL, -- or the reason of a rejection
    who       TEXT    NOT NULL, -- who interfered; empty: nobody
    why       TEXT    NOT NULL,
    at        INTEGER NOT NULL,
    PRIMARY KEY (name, id, seq)
) WITHOUT ROWID;

-- +goose Down
DROP TABLE muster_saga_step;
DROP TABLE muster_saga;
