package webhook

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"time"

	"github.com/musterdev/muster/data/migrate"
)

const (
	idle       = time.Second     // the longest pause between two looks
	parting    = 3 * time.Second // for the posts in hand, when Run ends
	sweepEvery = 10 * time.Minute
)

// Run posts what waits until ctx ends, then gives the posts in hand 3 s, and returns nil.
// All replicas run it; they share the work row by row. What a replica had in hand when it
// was killed another posts again, after Config.Timeout and 11 s. Failures of the database
// are logged and tried again; an error is returned for missing tables, and when it runs
// already.
func (w *Webhooks) Run(ctx context.Context) error {
	w.mu.Lock()
	ran := w.ran
	w.ran = true
	w.mu.Unlock()
	if ran {
		return errors.New("webhook: it runs already")
	}
	posts, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	r := &running{Webhooks: w, posts: posts, busy: map[string]int{}, slow: map[string]bool{}}
	swept := time.Time{}
	var failed error
	for ctx.Err() == nil && failed == nil {
		err := r.fill(ctx)
		if err == nil && time.Since(swept) > sweepEvery {
			swept = time.Now()
			err = w.sweep(ctx)
		}
		switch {
		case ctx.Err() != nil:
		case migrate.Missing(err, "muster_webhook_"):
			failed = err
		case err != nil:
			w.log.ErrorContext(ctx, "webhook: nothing is sent, and will be", "error", err, "in", idle.String())
			pause(ctx, idle, nil)
		default:
			pause(ctx, idle, w.bell)
		}
	}
	stop := time.AfterFunc(parting, end)
	defer stop.Stop()
	r.all.Wait()
	w.client.CloseIdleConnections()
	w.mu.Lock()
	w.ran = false
	w.mu.Unlock()
	return failed
}

func pause(ctx context.Context, d time.Duration, bell <-chan struct{}) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-bell:
	case <-ctx.Done():
	}
}

// running is one replica at work.
type running struct {
	*Webhooks

	posts context.Context //nolint:containedctx // of all posts, which outlive Run's for a moment
	all   sync.WaitGroup

	mu    sync.Mutex
	busy  map[string]int  // posts of each endpoint
	slow  map[string]bool // endpoints whose last post took long
	total int
	apart int // of them to endpoints that fail or are slow
}

// due is an endpoint that something may be sent to now.
type due struct {
	id      string
	failing bool
	slow    bool
}

// apart reports that it has to share one half of the workers with its like.
func (d due) apart() bool { return d.failing || d.slow }

// fill begins as many posts as there is room for.
func (r *running) fill(ctx context.Context) error {
	if r.room(due{}) == 0 { // none for the best of them
		return nil
	}
	list, err := r.due(ctx)
	if err != nil {
		return err
	}
	for _, e := range list {
		n := r.room(e)
		if n == 0 {
			continue
		}
		claims, err := r.claim(ctx, e.id, n)
		if err != nil {
			return err
		}
		for _, c := range claims {
			r.take(e, 1)
			r.all.Go(func() {
				defer r.wake() // there may be more for it
				defer r.take(e, -1)
				r.deliver(r.posts, c)
			})
		}
	}
	return nil
}

// room is how many posts to an endpoint may begin: those that fail, or answer late, share one
// half of the workers, so that hanging endpoints do not have them all.
func (r *running) room(e due) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	most, left := r.c.PerEndpoint, r.c.Workers-r.total
	if e.failing {
		most = 1
	}
	if e.apart() {
		left = min(left, r.c.Workers/2-r.apart)
	}
	return max(0, min(most-r.busy[e.id], left))
}

func (r *running) take(e due, n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.total += n
	if e.apart() {
		r.apart += n
	}
	if r.busy[e.id] += n; r.busy[e.id] == 0 {
		delete(r.busy, e.id)
	}
}

// due are the endpoints that have something to be sent to them, the one first that was
// tried longest ago.
func (r *running) due(ctx context.Context) (list []due, err error) {
	rows, err := r.db.QueryContext(ctx, r.sql(`SELECT id, failures > 0 FROM muster_webhook_endpoint e WHERE disabled = '' AND not_before <= NOW AND EXISTS
		(SELECT 1 FROM muster_webhook_delivery d WHERE d.endpoint = e.id AND d.state = 'waiting' AND d.next <= NOW AND d.leased_until <= NOW)
		ORDER BY last_tried, id`))
	if err != nil {
		return nil, explain(err)
	}
	defer rows.Close()
	for rows.Next() {
		var d due
		if err := rows.Scan(&d.id, &d.failing); err != nil {
			return nil, explain(err)
		}
		list = append(list, d)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range list {
		list[i].slow = r.slow[list[i].id]
	}
	return list, explain(rows.Err())
}

// keepsUp notes whether an endpoint answers soon enough to have more than its share. Who says yes
// after a long time does not fail, but holds a worker as long as who hangs.
func (r *running) keepsUp(endpoint string, took time.Duration) {
	const part = 10 // of the time that an answer may take
	r.mu.Lock()
	defer r.mu.Unlock()
	if took > r.c.Timeout/part {
		r.slow[endpoint] = true
	} else {
		delete(r.slow, endpoint)
	}
}

// sweep forgets the events that are older than Config.Keep, with all their deliveries.
func (w *Webhooks) sweep(ctx context.Context) error {
	return w.do(ctx, func(ctx context.Context, t *sql.Tx) error {
		for _, statement := range []string{
			`DELETE FROM muster_webhook_delivery WHERE event IN (SELECT id FROM muster_webhook_event WHERE created < NOW - $1)`,
			`DELETE FROM muster_webhook_event WHERE created < NOW - $1 AND NOT EXISTS (SELECT 1 FROM muster_webhook_delivery WHERE event = muster_webhook_event.id)`,
		} {
			if _, err := t.ExecContext(ctx, w.sql(statement), w.c.Keep.Milliseconds()); err != nil {
				return explain(err)
			}
		}
		return nil
	})
}
