package webhook

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/musterdev/muster/data/tx"
)

// grace is what a claim lasts beyond the post, for recording what came of it.
const grace = 10 * time.Second

// claim is the right to make one attempt, until its lease ends.
type claim struct {
	id, event, fence int64
	endpoint         string
	attempts         int // before this one
}

// claim takes up to n deliveries of an endpoint that are due, the longest due first. Nothing else orders them:
// the index has these in order, and of a backlog no more rows are read than are taken.
func (r *running) claim(ctx context.Context, endpoint string, n int) (claims []claim, err error) {
	skip := "" // SQLite's transactions come one after the other
	if r.dialect == tx.Postgres {
		skip = " FOR UPDATE SKIP LOCKED"
	}
	rows, err := r.db.QueryContext(ctx, r.sql(`WITH picked AS MATERIALIZED (SELECT id AS chosen FROM muster_webhook_delivery
			WHERE endpoint = $1 AND state = 'waiting' AND next <= NOW AND leased_until <= NOW ORDER BY next LIMIT $2`)+skip+r.sql(`)
		UPDATE muster_webhook_delivery SET leased_until = NOW + $3, fence = fence + 1 FROM picked WHERE id = picked.chosen
		RETURNING id, event, fence, attempts`), endpoint, n, (r.c.Timeout + linger + grace).Milliseconds())
	if err != nil {
		return nil, explain(err)
	}
	defer rows.Close()
	for rows.Next() {
		c := claim{endpoint: endpoint}
		if err := rows.Scan(&c.id, &c.event, &c.fence, &c.attempts); err != nil {
			return nil, explain(err)
		}
		claims = append(claims, c)
	}
	return claims, explain(rows.Err())
}

// deliver makes an attempt and records what came of it.
func (r *running) deliver(ctx context.Context, c claim) {
	l, err := r.letter(ctx, c)
	if errors.Is(err, sql.ErrNoRows) { // its endpoint or its event was forgotten meanwhile
		err = r.drop(ctx, c)
		if err == nil {
			return
		}
	}
	if err != nil {
		r.log.WarnContext(ctx, "webhook: a delivery could not be read, and will be tried again", "delivery", c.id, "error", err)
		return // its lease ends
	}
	a := r.post(ctx, l)
	r.keepsUp(c.endpoint, a.took)
	if a.status == 0 && ctx.Err() != nil { // the service ends: not the endpoint's fault
		r.giveBack(context.WithoutCancel(ctx), c)
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	v := judge(a, c.attempts+1, r.c.Retry)
	r.took.Record(ctx, a.took.Seconds(), metric.WithAttributes(attribute.String("muster.webhook.outcome", string(v.state)), attribute.Int("http.response.status_code", a.status)))
	if err := r.record(ctx, c, a, v); err != nil {
		r.log.WarnContext(ctx, "webhook: it was not recorded what became of a delivery: it is posted again", "delivery", c.id, "endpoint", c.endpoint, "error", err)
	}
}

// letter reads what is to be posted.
func (r *running) letter(ctx context.Context, c claim) (l letter, err error) {
	var old Secret
	l.secrets = make([]Secret, 1)
	err = r.db.QueryRowContext(ctx, r.sql(`SELECT e.url, v.message, v.body, e.secret, CASE WHEN e.old_until > NOW THEN e.old_secret ELSE '' END
		FROM muster_webhook_endpoint e, muster_webhook_event v WHERE e.id = $1 AND v.id = $2`), c.endpoint, c.event).
		Scan(&l.url, &l.id, &l.body, &l.secrets[0], &old)
	if old != "" {
		l.secrets = append(l.secrets, old)
	}
	return l, explain(err)
}

// drop forgets what can never be posted.
func (r *running) drop(ctx context.Context, c claim) error {
	_, err := r.db.ExecContext(ctx, `DELETE FROM muster_webhook_delivery WHERE id = $1 AND fence = $2`, c.id, c.fence)
	return explain(err)
}

// giveBack has another make the attempt at once.
func (r *running) giveBack(ctx context.Context, c claim) {
	ctx, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	_, err := r.db.ExecContext(ctx, `UPDATE muster_webhook_delivery SET leased_until = 0 WHERE id = $1 AND fence = $2`, c.id, c.fence)
	if err != nil { // then its lease ends
		r.log.WarnContext(ctx, "webhook: a delivery was not given back", "delivery", c.id, "error", err)
	}
}

// record writes what became of a delivery and of its endpoint, unless somebody else has
// taken the delivery over.
func (r *running) record(ctx context.Context, c claim, a answer, v verdict) error {
	disabled := ""
	err := r.do(ctx, func(ctx context.Context, t *sql.Tx) error {
		disabled = ""
		res, err := t.ExecContext(ctx, r.sql(`UPDATE muster_webhook_delivery SET state = $1, attempts = attempts + 1, next = NOW + $2, leased_until = 0,
			status = $3, error = $4, answer = $5, took = $6, tried = NOW WHERE id = $7 AND fence = $8 AND state = 'waiting'`),
			string(v.state), v.after.Milliseconds(), a.status, a.err, a.body, a.took.Milliseconds(), c.id, c.fence)
		if err != nil {
			return explain(err)
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 { // it is no longer this one's
			return explain(err)
		}
		if v.state == Delivered { // seldom more than once a second: the row is everybody's
			_, err := t.ExecContext(ctx, r.sql(`UPDATE muster_webhook_endpoint SET failures = 0, failing_since = 0, not_before = 0, last_tried = NOW, last_ok = NOW
				WHERE id = $1 AND (failures > 0 OR last_ok <= NOW - 1000)`), c.endpoint)
			return explain(err)
		}
		disabled, err = r.blame(ctx, t, c, a)
		return err
	})
	if err == nil && disabled != "" {
		r.log.ErrorContext(ctx, "webhook: an endpoint was disabled; its events wait: see muster webhook ls", "endpoint", c.endpoint, "why", disabled)
	}
	return err
}

// blame records a failure of an endpoint and returns why it is disabled by it, if it is.
func (r *running) blame(ctx context.Context, t *sql.Tx, c claim, a answer) (disabled string, err error) {
	var h health
	var failing int64
	var before string
	err = t.QueryRowContext(ctx, r.sql(`UPDATE muster_webhook_endpoint SET failures = failures + 1, failing_since = CASE WHEN failing_since = 0 THEN NOW ELSE failing_since END,
		last_status = $1, last_error = $2, last_tried = NOW WHERE id = $3 RETURNING failures, NOW - failing_since, disabled`),
		a.status, a.err, c.endpoint).Scan(&h.failures, &failing, &before)
	if err != nil {
		return "", explain(err)
	}
	h.failing = time.Duration(failing) * time.Millisecond
	alone, disabled := rest(a, h, r.c.DisableAfter)
	if before != "" {
		return "", nil
	}
	if _, err := t.ExecContext(ctx, r.sql(`UPDATE muster_webhook_endpoint SET not_before = NOW + $1, disabled = $2 WHERE id = $3`),
		alone.Milliseconds(), disabled, c.endpoint); err != nil {
		return "", explain(err)
	}
	if disabled == "" || r.c.Disabled == nil {
		return disabled, nil
	}
	e, err := r.endpoint(ctx, t, c.endpoint)
	if err == nil {
		if err = r.c.Disabled(ctx, t, e); err != nil {
			err = fmt.Errorf("webhook: Config.Disabled: %w", err)
		}
	}
	return disabled, err
}

// tries is how often a transaction is run that failed only because of others.
const tries = 3

func (w *Webhooks) do(ctx context.Context, fn func(ctx context.Context, t *sql.Tx) error) error {
	for try := 1; ; try++ {
		err := tx.Do(ctx, w.db, fn)
		if try == tries || !tx.IsRetryable(err) {
			return err
		}
	}
}
