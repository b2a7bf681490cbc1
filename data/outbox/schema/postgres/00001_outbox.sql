-- +goose Up
-- Times are milliseconds since 1970 by the database's clock.
CREATE SEQUENCE muster_outbox_id;
CREATE TABLE muster_outbox (
    id         bigint NOT NULL PRIMARY KEY, -- the order; see muster_outbox_turn
    topic      text   NOT NULL,
    key        text   NOT NULL, -- '' is in no order
    attributes text   NOT NULL, -- of the CloudEvent, as a JSON object
    data       bytea  NOT NULL,
    not_before bigint NOT NULL DEFAULT 0,
    error      text,            -- why the broker refused it for good
    created    bigint NOT NULL DEFAULT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint)
);
ALTER SEQUENCE muster_outbox_id OWNED BY muster_outbox.id;
-- What later messages of its key wait for.
CREATE INDEX muster_outbox_waits ON muster_outbox (key, id) WHERE error IS NOT NULL OR not_before > 0;
-- Rows come and go: look at them by id, and vacuum after a few thousand.
ALTER TABLE muster_outbox SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

-- A transaction takes its number when it is its turn to append to the key, and keeps
-- the turn until it ends. So the numbers of one key are in the order of the commits.
-- +goose StatementBegin
CREATE FUNCTION muster_outbox_turn() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.key <> '' THEN
        PERFORM pg_advisory_xact_lock(hashtextextended(NEW.key, TG_RELID::bigint));
    END IF;
    NEW.id := nextval(format('%I.muster_outbox_id', TG_TABLE_SCHEMA)::regclass);
    RETURN NEW;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER muster_outbox_turn BEFORE INSERT ON muster_outbox FOR EACH ROW EXECUTE FUNCTION muster_outbox_turn();

-- +goose Down
DROP TABLE muster_outbox;
DROP FUNCTION muster_outbox_turn;
