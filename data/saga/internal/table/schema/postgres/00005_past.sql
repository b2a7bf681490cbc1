-- +goose Up
-- What went well is kept in the row itself, which is written anyway. A group of rows that were
-- inserted together is updated together: each then needs room for one version beside it.
ALTER TABLE muster_saga ADD COLUMN past text NOT NULL DEFAULT ''; -- of each: seq, at, step, direction, outcome;
ALTER TABLE muster_saga SET (fillfactor = 45);

-- +goose Down
INSERT INTO muster_saga_step (name, id, seq, step, direction, outcome, error, who, why, at)
SELECT name, id, CAST(split_part(e, ' ', 1) AS bigint), split_part(e, ' ', 3), split_part(e, ' ', 4), split_part(e, ' ', 5), '', '', '', CAST(split_part(e, ' ', 2) AS bigint)
FROM muster_saga, unnest(string_to_array(rtrim(past, ';'), ';')) AS e;
ALTER TABLE muster_saga SET (fillfactor = 60);
ALTER TABLE muster_saga DROP COLUMN past;
