-- +goose Up
-- Times are milliseconds since 1970 by the database's clock.
CREATE TABLE muster_twophase_self (
    one  bigint NOT NULL PRIMARY KEY CHECK (one = 1),
    name text   NOT NULL -- of this database, in the names of what it has others prepare
);
INSERT INTO muster_twophase_self (one, name) VALUES (1, substr(md5(random()::text || clock_timestamp()::text), 1, 12));
CREATE TABLE muster_twophase (
    id       text   NOT NULL PRIMARY KEY,
    commits  bigint NOT NULL, -- 1: it is committed; 0: it is rolled back, and can never be committed
    branches text   NOT NULL, -- the participants, separated by spaces
    decided  bigint NOT NULL
);

-- +goose Down
DROP TABLE muster_twophase;
DROP TABLE muster_twophase_self;
