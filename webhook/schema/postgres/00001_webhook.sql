-- +goose Up
-- Times are milliseconds since 1970 by the database's clock; 0 is never.
CREATE TABLE muster_webhook_endpoint (
    id            text   NOT NULL PRIMARY KEY,
    url           text   NOT NULL,
    tenant        text   NOT NULL, -- '' gets the events of all
    description   text   NOT NULL,
    topics        text   NOT NULL, -- patterns, as a JSON array
    secret        text   NOT NULL,
    old_secret    text   NOT NULL DEFAULT '', -- signs beside it until old_until
    old_until     bigint NOT NULL DEFAULT 0,
    disabled      text   NOT NULL DEFAULT '', -- why; '' is enabled
    failures      bigint NOT NULL DEFAULT 0, -- in a row
    failing_since bigint NOT NULL DEFAULT 0,
    not_before    bigint NOT NULL DEFAULT 0, -- left alone until then
    last_status   bigint NOT NULL DEFAULT 0,
    last_error    text   NOT NULL DEFAULT '',
    last_tried    bigint NOT NULL DEFAULT 0,
    last_ok       bigint NOT NULL DEFAULT 0,
    created       bigint NOT NULL DEFAULT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint)
);
CREATE TABLE muster_webhook_event (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source  text   NOT NULL,
    event   text   NOT NULL,
    topic   text   NOT NULL,
    message text   NOT NULL, -- the webhook-id
    body    bytea  NOT NULL,
    created bigint NOT NULL DEFAULT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint),
    UNIQUE (source, event)
);
CREATE INDEX muster_webhook_event_created ON muster_webhook_event (created);
CREATE TABLE muster_webhook_delivery (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    endpoint     text   NOT NULL,
    event        bigint NOT NULL, -- of muster_webhook_event
    state        text   NOT NULL DEFAULT 'waiting', -- delivered, dead
    attempts     bigint NOT NULL DEFAULT 0,
    next         bigint NOT NULL DEFAULT 0,
    leased_until bigint NOT NULL DEFAULT 0,
    fence        bigint NOT NULL DEFAULT 0,
    status       bigint NOT NULL DEFAULT 0, -- of the last answer
    error        text   NOT NULL DEFAULT '',
    answer       text   NOT NULL DEFAULT '', -- its beginning
    took         bigint NOT NULL DEFAULT 0,  -- milliseconds
    tried        bigint NOT NULL DEFAULT 0,
    UNIQUE (endpoint, event)
);
CREATE INDEX muster_webhook_delivery_due ON muster_webhook_delivery (endpoint, next) WHERE state = 'waiting';
CREATE INDEX muster_webhook_delivery_event ON muster_webhook_delivery (event);

-- +goose Down
DROP TABLE muster_webhook_delivery;
DROP TABLE muster_webhook_event;
DROP TABLE muster_webhook_endpoint;
