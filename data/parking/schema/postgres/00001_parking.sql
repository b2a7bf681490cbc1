-- +goose Up
-- Times are milliseconds since 1970 by the database's clock.
CREATE TABLE muster_parked (
    id           bigint  NOT NULL PRIMARY KEY GENERATED ALWAYS AS IDENTITY, -- the order within a key
    consumer     text    NOT NULL, -- the group
    source       text    NOT NULL,
    event        text    NOT NULL, -- its id, unique within the source
    topic        text    NOT NULL,
    key          text    NOT NULL, -- '' is in no order
    attributes   text    NOT NULL, -- of the CloudEvent, as a JSON object
    data         bytea   NOT NULL,
    attempts     bigint  NOT NULL, -- tries that failed, the one under way included
    error        text    NOT NULL, -- of the last of them
    dead         boolean NOT NULL, -- not tried again until a person says so
    next         bigint  NOT NULL, -- not tried before this
    fence        bigint  NOT NULL DEFAULT 0, -- counts the leases
    leased_until bigint  NOT NULL DEFAULT 0,
    parked       bigint  NOT NULL DEFAULT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint),
    UNIQUE (consumer, source, event)
);
CREATE INDEX muster_parked_key ON muster_parked (consumer, key, id);
CREATE INDEX muster_parked_due ON muster_parked (consumer, next) WHERE NOT dead;

-- +goose Down
DROP TABLE muster_parked;
