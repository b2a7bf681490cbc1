package outbox

import (
	"context"
	"encoding/json"
	"fmt"

	"go.opentelemetry.io/otel/propagation"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/data/tx"
)

// row is a message of the table.
type row struct {
	bus.Msg

	id      int64
	refused string // why it can never be published
}

// next reads the messages that may be published now, in their order. The table is
// never read from an id onwards: of two transactions that append at the same time the
// one with the smaller numbers may commit later.
func (r *running) next(ctx context.Context) (batch []row, err error) {
	// One moment for all rows: what becomes due behind the reader's back would still be
	// left out, and what waits behind it taken.
	var now int64
	if err := r.DB.QueryRowContext(ctx, `SELECT `+r.dialect.Now()).Scan(&now); err != nil {
		return nil, explain(err)
	}
	rows, err := r.DB.QueryContext(ctx, `SELECT id, topic, "key", attributes, data FROM muster_outbox o
		WHERE error IS NULL AND not_before <= $1 AND ("key" = '' OR NOT EXISTS (SELECT 1 FROM muster_outbox w
			WHERE w."key" = o."key" AND w.id < o.id AND (w.error IS NOT NULL OR w.not_before > 0) AND (w.error IS NOT NULL OR w.not_before > $1)))
		ORDER BY id LIMIT $2`, now, Batch)
	if err != nil {
		return nil, explain(err)
	}
	defer rows.Close()
	unreadable := map[string]bool{} // keys that have one
	for size := 0; size < maxData && rows.Next(); {
		var row row
		var topic, key, attributes string
		var data []byte
		if err := rows.Scan(&row.id, &topic, &key, &attributes, &data); err != nil {
			return nil, explain(err)
		}
		if unreadable[key] {
			continue
		}
		size += len(data)
		if row.Msg, err = r.read(row.id, attributes, data); err != nil {
			row.Topic, row.Key, row.refused = topic, key, err.Error()
			unreadable[key] = key != ""
		}
		batch = append(batch, row)
	}
	if err := rows.Err(); err != nil {
		return nil, explain(err)
	}
	return batch, nil
}

// read makes a message of what the table has of it.
func (r *running) read(id int64, attributes string, data []byte) (bus.Msg, error) {
	all, err := decode(attributes)
	if err != nil {
		return bus.Msg{}, err
	}
	if all["source"] == "" {
		all["source"] = r.Source
	}
	if all["sequence"] == "" {
		all["sequence"] = fmt.Sprintf("%020d", id) // so that it sorts as text
	}
	return bus.FromAttributes(all, data)
}

func decode(attributes string) (map[string]string, error) {
	all := map[string]string{}
	if err := json.Unmarshal([]byte(attributes), &all); err != nil || all == nil {
		return nil, fmt.Errorf("outbox: the attributes of a message cannot be read: %.60q is not a JSON object of strings", attributes)
	}
	return all, nil
}

// settle deletes what was published and marks what never will be.
func (r *running) settle(ctx context.Context, t tx.Tx, gone []int64, refused []row) error {
	ids, err := json.Marshal(gone) // one statement for any number of them
	if err != nil {
		return fmt.Errorf("outbox: %w", err)
	}
	each := `SELECT value FROM json_each($1)`
	switch r.dialect {
	case tx.Postgres:
		each = `SELECT CAST(jsonb_array_elements_text(CAST($1 AS jsonb)) AS bigint)`
	case tx.MySQL:
		each = `SELECT value FROM JSON_TABLE($1, '$[*]' COLUMNS (value bigint PATH '$')) AS gone`
	}
	if len(gone) > 0 {
		if _, err := t.ExecContext(ctx, `DELETE FROM muster_outbox WHERE id IN (`+each+`)`, string(ids)); err != nil {
			return explain(err)
		}
	}
	for _, row := range refused {
		if _, err := t.ExecContext(ctx, `UPDATE muster_outbox SET error = $1 WHERE id = $2`, row.refused, row.id); err != nil {
			return explain(err)
		}
	}
	return nil
}

// withTrace returns a context of the trace that a message was made in, for what is logged
// of it.
func withTrace(ctx context.Context, m bus.Msg) context.Context {
	return propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{"traceparent": m.TraceParent, "tracestate": m.TraceState})
}
