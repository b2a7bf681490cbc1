-- +goose Up
-- Where messages leave by the database's log and not by the table: one row. Positions are
-- those of the log; what is before is published, or in the table.
CREATE TABLE muster_outbox_log (
    id       integer NOT NULL PRIMARY KEY CHECK (id = 1),
    slot     text    NOT NULL, -- '' is to be made
    position text    NOT NULL,
    lost     text,             -- why there may be messages that nobody can read any more
    by_whom  text    NOT NULL DEFAULT '', -- who took the last loss as it was, and why
    why      text    NOT NULL DEFAULT ''
);

-- What has a number has had its turn: the relay itself puts back what must wait.
DROP TRIGGER muster_outbox_turn ON muster_outbox;
CREATE TRIGGER muster_outbox_turn BEFORE INSERT ON muster_outbox FOR EACH ROW WHEN (NEW.id IS NULL) EXECUTE FUNCTION muster_outbox_turn();

-- Nobody waits for a turn: the log is read in the order of the commits.
-- +goose StatementBegin
CREATE FUNCTION muster_outbox_emit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_logical_emit_message(true, 'muster.outbox/' || TG_TABLE_SCHEMA, convert_to(NEW.attributes, 'UTF8') || '\x00'::bytea || NEW.data);
    RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER muster_outbox_emit BEFORE INSERT ON muster_outbox FOR EACH ROW WHEN (NEW.id IS NULL) EXECUTE FUNCTION muster_outbox_emit();
ALTER TABLE muster_outbox DISABLE TRIGGER muster_outbox_emit;

-- +goose Down
DROP TRIGGER muster_outbox_emit ON muster_outbox;
DROP FUNCTION muster_outbox_emit;
DROP TRIGGER muster_outbox_turn ON muster_outbox;
CREATE TRIGGER muster_outbox_turn BEFORE INSERT ON muster_outbox FOR EACH ROW EXECUTE FUNCTION muster_outbox_turn();
DROP TABLE muster_outbox_log;
