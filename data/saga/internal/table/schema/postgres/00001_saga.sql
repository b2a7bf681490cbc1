-- +goose Up
-- Times are milliseconds since 1970 by the database's clock.
CREATE TABLE muster_saga (
    name         text   NOT NULL,
    id           text   NOT NULL,
    version      bigint NOT NULL, -- of the definition that it runs by
    state        text   NOT NULL, -- running, waiting, compensating, paused, completed, compensated
    undoing      bigint NOT NULL, -- 1: it goes back
    step         text   NOT NULL, -- at hand; end: only the hook is left
    attempts     bigint NOT NULL, -- of the step that failed
    faults       bigint NOT NULL, -- of the attempts: those for no known reason
    doubt        bigint NOT NULL, -- 1: an attempt of the step may have had an effect
    data         bytea  NOT NULL,
    fence        bigint NOT NULL, -- counts the holders, and those who interfered
    owner        text   NOT NULL, -- who holds it; empty: nobody
    leased_until bigint NOT NULL,
    next_at      bigint NOT NULL, -- not carried on before
    reason       text   NOT NULL, -- why it is compensated
    error        text   NOT NULL, -- of the last attempt of the step
    seq          bigint NOT NULL, -- counts what happened to it
    trace_parent text   NOT NULL, -- of the request that started it
    created      bigint NOT NULL,
    updated      bigint NOT NULL,
    PRIMARY KEY (name, id)
);
CREATE INDEX muster_saga_due ON muster_saga (next_at) WHERE state IN ('running', 'compensating');
CREATE INDEX muster_saga_owner ON muster_saga (owner) WHERE owner <> '';
CREATE INDEX muster_saga_state ON muster_saga (state, updated);

CREATE TABLE muster_saga_step (
    name      text   NOT NULL,
    id        text   NOT NULL,
    seq       bigint NOT NULL,
    step      text   NOT NULL,
    direction text   NOT NULL, -- do, undo
    outcome   text   NOT NULL,
    error     text   NOT NULL, -- or the reason of a rejection
    who       text   NOT NULL, -- who interfered; empty: nobody
    why       text   NOT NULL,
    at        bigint NOT NULL,
    PRIMARY KEY (name, id, seq)
);

-- +goose Down
DROP TABLE muster_saga_step;
DROP TABLE muster_saga;
