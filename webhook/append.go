package webhook

import (
	"context"
	"database/sql"
	"encoding/json"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/data/tx"
)

// Handle is the handler of the events that partners may get: app.On("orders.*",
// hooks.Handle). It appends each for the endpoints that have no tenant: where events are
// only some partners' business, write a handler that calls [Webhooks.Append].
func (w *Webhooks) Handle(ctx context.Context, d bus.Delivery) error {
	return tx.Do(ctx, w.db, func(ctx context.Context, t *sql.Tx) error {
		_, err := w.Append(ctx, t, "", d.Msg)
		return err
	})
}

// Append has an event sent, once t is committed, to the endpoints that want its topic:
// those of tenant, and those that have none and so get the events of all. It returns how
// many these are. The same event (by Source and ID) appended again, within Config.Keep,
// goes only to endpoints that it was not appended for.
//
// An event for an endpoint that is disabled waits until it is enabled, or forgotten.
func (w *Webhooks) Append(ctx context.Context, t tx.Tx, tenant string, m bus.Msg) (int, error) {
	if err := m.Validate(); err != nil {
		return 0, err
	}
	wanting, err := w.wanting(ctx, t, tenant, m.Topic)
	if err != nil || len(wanting) == 0 {
		return 0, err
	}
	body, err := bodyOf(m)
	if err != nil {
		return 0, explain(err)
	}
	var event int64
	err = t.QueryRowContext(ctx, `INSERT INTO muster_webhook_event (source, event, topic, message, body) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (source, event) DO UPDATE SET topic = excluded.topic RETURNING id`,
		m.Source, m.ID, m.Topic, messageID(m), body).Scan(&event)
	if err != nil {
		return 0, explain(err)
	}
	ids, err := json.Marshal(wanting) // one statement for any number of them
	if err != nil {
		return 0, explain(err)
	}
	each := `json_each($2)`
	if w.dialect == tx.Postgres {
		each = `jsonb_array_elements_text(CAST($2 AS jsonb))`
	}
	_, err = t.ExecContext(ctx, `INSERT INTO muster_webhook_delivery (endpoint, event) SELECT value, CAST($1 AS bigint) FROM `+each+` WHERE TRUE
		ON CONFLICT (endpoint, event) DO NOTHING`, event, string(ids))
	if err != nil {
		return 0, explain(err)
	}
	tx.AfterCommit(ctx, w.wake)
	return len(wanting), nil
}

// wanting are the endpoints that get an event.
func (w *Webhooks) wanting(ctx context.Context, t tx.Tx, tenant, topic string) (ids []string, err error) {
	rows, err := t.QueryContext(ctx, `SELECT id, topics FROM muster_webhook_endpoint WHERE tenant = '' OR tenant = $1 ORDER BY id`, tenant)
	if err != nil {
		return nil, explain(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id, text string
		var topics []string
		if err := rows.Scan(&id, &text); err != nil {
			return nil, explain(err)
		}
		if err := json.Unmarshal([]byte(text), &topics); err != nil {
			return nil, explain(err)
		}
		for _, pattern := range topics {
			if bus.Matches(pattern, topic) {
				ids = append(ids, id)
				break
			}
		}
	}
	return ids, explain(rows.Err())
}
