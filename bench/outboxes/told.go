package outboxes

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/data/outbox"
	"github.com/musterdev/muster/data/tx"
)

// Pace appends so many events a second for so long, and returns how long they took, from before
// their commit until a consumer has them: the median, and the 99th of 100.
func (w *Way) Pace(ctx context.Context, perSecond int, length time.Duration) (p50, p99 time.Duration, err error) {
	const hands = 16
	warm := int64(perSecond) // the first second is not counted
	var mu sync.Mutex
	var took []time.Duration
	total := int(length.Seconds() * float64(perSecond))
	arrived := func(_ context.Context, e Numbered) error {
		mu.Lock()
		defer mu.Unlock()
		if e.N >= warm {
			took = append(took, time.Since(time.Unix(0, e.At)))
		}
		return nil
	}
	err = w.heard(ctx, arrived, func(ctx context.Context) error {
		err := w.Relayed(ctx, func(ctx context.Context) error {
			began := time.Now()
			if err := together(hands, func(h int) error {
				for i := h; i < total; i += hands {
					due := began.Add(time.Duration(i) * time.Second / time.Duration(perSecond))
					time.Sleep(time.Until(due))
					if err := w.write(ctx, fmt.Sprint(i%64), int64(i)); err != nil {
						return err
					}
				}
				return nil
			}); err != nil {
				return err
			}
			return until(ctx, func() bool {
				mu.Lock()
				defer mu.Unlock()
				return len(took) >= total-int(warm)
			})
		})
		return err
	})
	if err != nil {
		return 0, 0, err
	}
	slices.Sort(took)
	return took[len(took)/2], took[len(took)*99/100], nil
}

// heard lets a group hear the events of a load, which have a topic of their own.
func (w *Way) heard(ctx context.Context, handle func(context.Context, Numbered) error, work func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w.loads++
	written := w.topic
	w.topic.Name = fmt.Sprintf("%s%d.numbered", w.Name, w.loads)
	defer func() { w.topic = written }()
	c := &bus.Consumer{Broker: w.broker, Group: "bench"}
	err := c.On(w.topic.Name, func(ctx context.Context, d bus.Delivery) error {
		e, err := w.topic.Decode(d.Msg)
		if err != nil {
			return bus.Final(err)
		}
		return handle(ctx, e)
	})
	if err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	err = work(ctx)
	cancel()
	return errors.Join(err, <-done)
}

// patience bounds what a load waits for.
const patience = 10 * time.Minute

func until(ctx context.Context, done func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for !done() {
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("not all events came: %w", ctx.Err())
		}
	}
	return nil
}

// Count is what became of many events.
type Count struct {
	Lost, OutOfOrder, Again int
	Took                    time.Duration // until the last one was heard
}

// Order appends so many events of 64 keys, numbered in the order of their commits, and counts what came
// of them.
func (w *Way) Order(ctx context.Context, events int) (n Count, err error) {
	const keys, each = 64, 20
	var mu sync.Mutex
	last, heard := map[string]int64{}, 0
	before := map[string]int64{}
	err = together(keys, func(k int) error {
		_, err := w.db.ExecContext(ctx, `INSERT INTO counter VALUES ($1, 0) ON CONFLICT DO NOTHING`, fmt.Sprint("o", k))
		return err
	})
	if err != nil {
		return n, err
	}
	for k := range keys {
		key := fmt.Sprint("o", k)
		var at int64
		if err := w.db.QueryRowContext(ctx, `SELECT n FROM counter WHERE key = $1`, key).Scan(&at); err != nil {
			return n, err
		}
		last[key], before[key] = at, at
	}
	began := time.Now()
	err = w.heard(ctx, func(_ context.Context, e Numbered) error {
		mu.Lock()
		defer mu.Unlock()
		switch at := last[e.Key]; {
		case e.N <= at:
			n.Again++
		case e.N > at+1:
			n.OutOfOrder++
			fallthrough
		default:
			last[e.Key] = e.N
			heard++
		}
		return nil
	}, func(ctx context.Context) error {
		return w.Relayed(ctx, func(ctx context.Context) error {
			err := together(writers, func(i int) error {
				for j := range events / each / writers {
					if err := w.several(ctx, fmt.Sprint("o", (i*7+j)%keys), each); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				return err
			}
			want := events / each / writers * each * writers
			err = until(ctx, func() bool {
				mu.Lock()
				defer mu.Unlock()
				got := 0
				for k, at := range last {
					got += int(at - before[k])
				}
				return got >= want
			})
			mu.Lock()
			defer mu.Unlock()
			n.Lost = want - heard
			return err
		})
	})
	n.Took = time.Since(began)
	return n, err
}

// several appends events of one key in one transaction, which nobody else does meanwhile.
func (w *Way) several(ctx context.Context, key string, each int64) error {
	return tx.Do(ctx, w.db, func(ctx context.Context, t *sql.Tx) error {
		var n int64
		if err := t.QueryRowContext(ctx, `UPDATE counter SET n = n + $2 WHERE key = $1 RETURNING n`, key, each).Scan(&n); err != nil {
			return err
		}
		for i := n - each + 1; i <= n; i++ {
			if err := outbox.Append(ctx, t, w.topic, key, Numbered{key, i, time.Now().UnixNano(), pad}); err != nil {
				return err
			}
		}
		return nil
	})
}
