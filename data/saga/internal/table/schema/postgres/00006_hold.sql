-- +goose Up
CREATE TABLE muster_saga_hold (
    name     text   NOT NULL,
    step     text   NOT NULL,
    undoing  bigint NOT NULL, -- 1: it is held on the way back
    alike    text   NOT NULL, -- what the errors have in common
    outcome  text   NOT NULL, -- fault, bug
    error    text   NOT NULL, -- one of them
    sagas    bigint NOT NULL, -- that failed so
    since    bigint NOT NULL,
    probe_at bigint NOT NULL, -- one saga is let through then; 0: never
    probe    text   NOT NULL, -- its id; *: the next that comes; empty: none
    lifted   bigint NOT NULL, -- 0: it is held
    who      text   NOT NULL, -- who lifted it; empty: a saga that was let through
    why      text   NOT NULL,
    PRIMARY KEY (name, step, undoing)
);
CREATE TABLE muster_saga_fault (
    name    text   NOT NULL,
    step    text   NOT NULL,
    undoing bigint NOT NULL,
    alike   text   NOT NULL,
    id      text   NOT NULL,
    at      bigint NOT NULL,
    PRIMARY KEY (name, step, undoing, alike, id)
);

-- +goose Down
DROP TABLE muster_saga_fault;
DROP TABLE muster_saga_hold;
