-- +goose Up
CREATE TABLE IF NOT EXISTS muster_saga_hold (
    name     varchar(60) NOT NULL,
    step     varchar(60) NOT NULL,
    undoing  bigint NOT NULL, -- 1: it is held on the way back
    alike    varchar(40) NOT NULL, -- what the errors have in common
    outcome  varchar(20) NOT NULL, -- fault, bug
    error    text   NOT NULL, -- one of them
    sagas    bigint NOT NULL, -- that failed so
    since    bigint NOT NULL,
    probe_at bigint NOT NULL, -- one saga is let through then; 0: never
    probe    varchar(140) NOT NULL, -- its id; *: the next that comes; empty: none
    lifted   bigint NOT NULL, -- 0: it is held
    who      text   NOT NULL, -- who lifted it; empty: a saga that was let through
    why      text   NOT NULL,
    PRIMARY KEY (name, step, undoing)
) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;
CREATE TABLE IF NOT EXISTS muster_saga_fault (
    name    varchar(60) NOT NULL,
    step    varchar(60) NOT NULL,
    undoing bigint NOT NULL,
    alike   varchar(40) NOT NULL,
    id      varchar(140) NOT NULL,
    at      bigint NOT NULL,
    PRIMARY KEY (name, step, undoing, alike, id)
) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;

-- +goose Down
DROP TABLE muster_saga_fault;
DROP TABLE muster_saga_hold;
