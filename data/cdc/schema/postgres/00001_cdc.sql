-- +goose Up
CREATE TABLE muster_cdc (
    name     text NOT NULL PRIMARY KEY,
    state    text NOT NULL, -- copying, following, lost
    position text NOT NULL, -- in the source's log: what is before has had its effect
    shapes   text NOT NULL, -- of the tables as they were last seen, JSON
    lost     text NOT NULL DEFAULT '',
    by_whom  text NOT NULL DEFAULT '', -- who had it copied anew, and why
    why      text NOT NULL DEFAULT ''
);

-- +goose Down
DROP TABLE muster_cdc;
