-- +goose Up
-- Times are milliseconds since 1970 by the database's clock.
CREATE TABLE muster_projection_build (
    projection text    NOT NULL,
    build      text    NOT NULL, -- b3, or b3_2 for the second one of the same code
    code       bigint  NOT NULL,
    run        bigint  NOT NULL,
    state      text    NOT NULL, -- building, live, dropped
    tables     text    NOT NULL, -- their full names, separated by spaces
    began      bigint  NOT NULL,
    swapped    bigint  NOT NULL DEFAULT 0, -- when it became live
    seen       bigint  NOT NULL,           -- when a replica last used it
    paused     bigint  NOT NULL DEFAULT 0, -- nothing is applied before this
    accepted   bigint  NOT NULL DEFAULT 0, -- a person wants it live as it is
    hindrance  text    NOT NULL DEFAULT '',
    asked_by   text    NOT NULL DEFAULT '',
    why        text    NOT NULL DEFAULT '',
    PRIMARY KEY (projection, build)
);
CREATE TABLE muster_projection_note (
    projection text    NOT NULL,
    build      text    NOT NULL,
    source     text    NOT NULL,
    id         text    NOT NULL,
    topic      text    NOT NULL,
    handled    bigint  NOT NULL,
    PRIMARY KEY (projection, build, source, id)
);
CREATE TABLE muster_projection_failed (
    projection text    NOT NULL,
    build      text    NOT NULL,
    source     text    NOT NULL,
    id         text    NOT NULL,
    topic      text    NOT NULL,
    key        text    NOT NULL,
    error      text    NOT NULL,
    at         bigint  NOT NULL,
    PRIMARY KEY (projection, build, source, id)
);

-- +goose Down
DROP TABLE muster_projection_failed;
DROP TABLE muster_projection_note;
DROP TABLE muster_projection_build;
