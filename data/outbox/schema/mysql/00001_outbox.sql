-- +goose Up
-- Times are milliseconds since 1970 by the database's clock.
CREATE SEQUENCE IF NOT EXISTS muster_outbox_id;
CREATE TABLE IF NOT EXISTS muster_outbox (
    id         bigint NOT NULL DEFAULT 0 PRIMARY KEY, -- the order; see muster_outbox_turn
    topic      varchar(255) NOT NULL,
    "key"      varchar(255) NOT NULL, -- '' is in no order
    attributes longtext NOT NULL, -- of the CloudEvent, as a JSON object
    data       longblob NOT NULL,
    not_before bigint NOT NULL DEFAULT 0,
    error      text,            -- why the broker refused it for good
    created    bigint NOT NULL DEFAULT (CAST(UNIX_TIMESTAMP(SYSDATE(3)) * 1000 AS SIGNED))
) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;
-- What later messages of its key wait for.
CREATE INDEX IF NOT EXISTS muster_outbox_waits ON muster_outbox ("key", id);

-- A transaction takes its number when it is its turn to append to the key, and keeps
-- the turn until it ends. So the numbers of one key are in the order of the commits. Keys are
-- many, and turns are not: some keys share one.
CREATE TABLE IF NOT EXISTS muster_outbox_turn (turn int NOT NULL PRIMARY KEY);
INSERT IGNORE INTO muster_outbox_turn (turn)
    WITH d (n) AS (VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9), (10), (11), (12), (13), (14), (15))
    SELECT a.n * 256 + b.n * 16 + c.n FROM d a, d b, d c;
-- +goose StatementBegin
CREATE OR REPLACE TRIGGER muster_outbox_turn BEFORE INSERT ON muster_outbox FOR EACH ROW
BEGIN
    DECLARE mine int;
    IF NEW."key" <> '' THEN
        SELECT turn INTO mine FROM muster_outbox_turn WHERE turn = CRC32(NEW."key") % 4096 FOR UPDATE;
    END IF;
    SET NEW.id = NEXT VALUE FOR muster_outbox_id;
END
-- +goose StatementEnd

-- +goose Down
DROP TABLE muster_outbox;
DROP TABLE muster_outbox_turn;
DROP SEQUENCE muster_outbox_id;
