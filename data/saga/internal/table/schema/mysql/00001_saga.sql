-- +goose Up
-- Times are milliseconds since 1970 by the database's clock.
CREATE TABLE IF NOT EXISTS muster_saga (
    name         varchar(255) NOT NULL,
    id           varchar(255) NOT NULL,
    version      bigint NOT NULL, -- of the definition that it runs by
    state        varchar(20) NOT NULL, -- running, waiting, compensating, paused, completed, compensated
    undoing      bigint NOT NULL, -- 1: it goes back
    step         varchar(255) NOT NULL, -- at hand; end: only the hook is left
    attempts     bigint NOT NULL, -- of the step that failed
    faults       bigint NOT NULL, -- of the attempts: those for no known reason
    doubt        bigint NOT NULL, -- 1: an attempt of the step may have had an effect
    data         longblob NOT NULL,
    fence        bigint NOT NULL, -- counts the holders, and those who interfered
    owner        varchar(255) NOT NULL, -- who holds it; empty: nobody
    leased_until bigint NOT NULL,
    next_at      bigint NOT NULL, -- not carried on before
    reason       text   NOT NULL, -- why it is compensated
    error        text   NOT NULL, -- of the last attempt of the step
    seq          bigint NOT NULL, -- counts what happened to it
    lost         bigint NOT NULL DEFAULT 0, -- of its last holders, in a row: those that ended in the middle of the step
    past         mediumtext NOT NULL DEFAULT '', -- what went well; of each: seq, at, step, direction, outcome;
    trace_parent text   NOT NULL, -- of the request that started it
    created      bigint NOT NULL,
    updated      bigint NOT NULL,
    ended        bigint AS (CASE WHEN state IN ('completed', 'compensated') THEN updated ELSE 0 END) STORED, -- 0: not yet
    -- NULL is for all that nobody looks for: there are no indexes of a part of the rows.
    due_at       bigint AS (CASE WHEN state IN ('running', 'compensating') THEN next_at END) STORED,
    suspect_at   bigint AS (CASE WHEN lost >= 3 THEN next_at END) STORED,
    PRIMARY KEY (name, id)
) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;
CREATE INDEX IF NOT EXISTS muster_saga_due ON muster_saga (due_at);
CREATE INDEX IF NOT EXISTS muster_saga_lost ON muster_saga (suspect_at);
CREATE INDEX IF NOT EXISTS muster_saga_own ON muster_saga (owner, next_at);
CREATE INDEX IF NOT EXISTS muster_saga_rest ON muster_saga (state, ended);

CREATE TABLE IF NOT EXISTS muster_saga_step (
    name      varchar(255) NOT NULL,
    id        varchar(255) NOT NULL,
    seq       bigint NOT NULL,
    step      varchar(255) NOT NULL,
    direction varchar(10) NOT NULL, -- do, undo
    outcome   varchar(20) NOT NULL,
    error     text   NOT NULL, -- or the reason of a rejection
    who       text   NOT NULL, -- who interfered; empty: nobody
    why       text   NOT NULL,
    at        bigint NOT NULL,
    PRIMARY KEY (name, id, seq)
) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;

-- +goose Down
DROP TABLE muster_saga_step;
DROP TABLE muster_saga;
