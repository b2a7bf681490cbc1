-- +goose Up
-- Times are milliseconds since 1970 by the database's clock.
CREATE TABLE muster_projection_build (
    projection TEXT    NOT NULL,
    build      TEXT    NOT NULL, -- b3, or b3_2 for the second one of the same code
    code       INTEGER NOT NULL,
    run        INTEGER NOT NULL,
    state      TEXT    NOT NULL, -- building, live, dropped
    tables     TEXT    NOT NULL, -- their full names, separated by spaces
    began      INTEGER NOT NULL,
    swapped    INTEGER NOT NULL DEFAULT 0, -- when it became live
    seen       INTEGER NOT NULL,           -- when a replica last used it
    paused     INTEGER NOT NULL DEFAULT 0, -- nothing is applied before this
    accepted   INTEGER NOT NULL DEFAULT 0, -- a person wants it live as it is
    hindrance  TEXT    NOT NULL DEFAULT '',
    asked_by   TEXT    NOT NULL DEFAULT '',
    why        TEXT    NOT NULL DEFAULT '',
    PRIMARY KEY (projection, build)
) WITHOUT ROWID;
CREATE TABLE muster_projection_note (
    projection TEXT    NOT NULL,
    build      TEXT    NOT NULL,
    source     TEXT    NOT NULL,
    id         TEXT    NOT NULL,
    topic      TEXT    NOT NULL,
    handled    INTEGER NOT NULL,
    PRIMARY KEY (projection, build, source, id)
) WITHOUT ROWID;
CREATE TABLE muster_projection_failed (
    projection TEXT    NOT NULL,
    build      TEXT    NOT NULL,
    source     TEXT    NOT NULL,
    id         TEXT    NOT NULL,
    topic      TEXT    NOT NULL,
    key        TEXT    NOT NULL,
    error      TEXT    NOT NULL,
    at         INTEGER NOT NULL,
    PRIMARY KEY (projection, build, source, id)
) WITHOUT ROWID;

-- +goose Down
DROP TABLE muster_projection_failed;
DROP TABLE muster_projection_note;
DROP TABLE muster_projection_build;
