-- +goose Up
-- Times are Unix milliseconds by the database's clock. What was written here stays.

-- What a key was first used for.
CREATE TABLE requests (
    kind      TEXT   NOT NULL CHECK (kind IN ('charge', 'refund')),
    key       TEXT   NOT NULL,
    reference TEXT   NOT NULL,
    cents     BIGINT NOT NULL, -- 0 for a refund
    refund    TEXT,            -- key of the refund that was the answer
    PRIMARY KEY (kind, key)
);

-- One row a reference, for refunds of it to wait for one another.
CREATE TABLE accounts (reference TEXT PRIMARY KEY);

CREATE TABLE charges (
    key        TEXT   PRIMARY KEY,
    reference  TEXT   NOT NULL, -- the merchant's name of it: the order
    cents      BIGINT NOT NULL CHECK (cents > 0),
    state      TEXT   NOT NULL CHECK (state IN ('captured', 'declined')),
    created_at BIGINT NOT NULL
);
CREATE INDEX charges_by_reference ON charges (reference);

CREATE TABLE refunds (
    key        TEXT   PRIMARY KEY,
    reference  TEXT   NOT NULL,
    cents      BIGINT NOT NULL CHECK (cents > 0),
    created_at BIGINT NOT NULL
);
CREATE INDEX refunds_by_reference ON refunds (reference);

-- Every call, also one that was refused.
CREATE TABLE calls (
    id        TEXT   PRIMARY KEY,
    kind      TEXT   NOT NULL CHECK (kind IN ('charge', 'refund')),
    key       TEXT   NOT NULL,
    behaviour TEXT   NOT NULL CHECK (behaviour IN ('plain', 'decline', 'delay', 'timeout', 'twice')),
    at        BIGINT NOT NULL
);
CREATE INDEX calls_by_key ON calls (kind, key);

-- +goose Down
DROP TABLE calls;
DROP TABLE refunds;
DROP TABLE charges;
DROP TABLE accounts;
DROP TABLE requests;
