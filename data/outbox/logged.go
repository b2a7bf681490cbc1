package outbox

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/data/lease"
	"github.com/musterdev/muster/data/tx"
)

// How the log is read.
const (
	savedWithin = 200 * time.Millisecond // what a crash may have published again is no older
	restSaved   = 10 * time.Second       // where nothing is appended, but others write to the log
	reminded    = time.Minute            // how often it is said that a loss waits for a person
)

// logged is a relay at work on the log.
type logged struct {
	*running

	held   lease.Held
	reader Reader

	keys   map[string]bool // that may have rows in the table: what comes goes behind them
	pos    Position        // behind what is done
	saved  Position
	last   time.Time // when it was saved
	dirty  time.Time // since when there is something to be saved
	number uint64    // the last one given
	stale  bool      // some of the keys may have no rows any more
	scan   time.Time // before which they are not looked for again
}

// relayLog publishes what the log has, and what the table has, while it holds the lease.
func (r *running) relayLog(ctx context.Context, h lease.Held) (err error) {
	e, err := r.enter(ctx, h)
	if err != nil {
		return err
	}
	reader, err := r.Stream.Open(ctx, r.DB, e.slot, e.position)
	for err != nil {
		lost, ok := errors.AsType[*LostError](err)
		if !ok {
			return err
		}
		if err := r.lose(ctx, h, lost); err != nil {
			return err
		}
		if e, err = r.enter(ctx, h); err != nil { // when a person has taken it as it is
			return err
		}
		reader, err = r.Stream.Open(ctx, r.DB, e.slot, e.position)
	}
	defer func() { err = errors.Join(err, reader.Close()) }()
	l := &logged{running: r, held: h, reader: reader, keys: map[string]bool{}, pos: e.position, saved: e.position, last: time.Now()}
	if err := l.findKeys(ctx); err != nil {
		return err
	}
	err = l.work(ctx)
	if lost, ok := errors.AsType[*LostError](err); ok {
		return errors.Join(err, r.lose(ctx, h, lost))
	}
	return err
}

// enter waits until nothing is lost, and makes the log the way out where it is not yet.
func (r *running) enter(ctx context.Context, h lease.Held) (entry, error) {
	var said time.Time
	for {
		e, there, err := entryOf(ctx, r.DB)
		if err != nil {
			return e, err
		}
		if e.lost == "" {
			if there && e.slot != "" {
				return e, nil
			}
			return r.begin(ctx, h)
		}
		if time.Since(said) > reminded {
			said = time.Now()
			r.log.ErrorContext(ctx, "the outbox publishes nothing: a part of the database's log cannot be read any more, and with it events may be lost; "+
				"what is appended now waits in the table until a person takes the loss as it is (POST /.muster/outbox/log/accept)", "why", e.lost)
		}
		if !r.pause(ctx, r.idle, nil) {
			return e, context.Cause(ctx)
		}
	}
}

// begin makes the slot and then the log the way out: what is appended from then on is behind
// the slot's beginning.
func (r *running) begin(ctx context.Context, h lease.Held) (e entry, err error) {
	if e.slot, e.position, err = r.Stream.Create(ctx, r.DB); err != nil {
		return e, err
	}
	err = tx.Do(ctx, r.DB, func(ctx context.Context, t *sql.Tx) error {
		if err := h.Check(ctx, t); err != nil {
			return err
		}
		if err := toLog(ctx, t); err != nil {
			return err
		}
		_, err := t.ExecContext(ctx, `INSERT INTO muster_outbox_log (id, slot, position) VALUES (1, $1, $2)
			ON CONFLICT (id) DO UPDATE SET slot = excluded.slot, position = excluded.position`, e.slot, string(e.position))
		return err
	})
	if err == nil {
		r.log.InfoContext(ctx, "events leave by the database's log from now on", "slot", e.slot, "position", string(e.position))
	}
	return e, err
}

// lose has everything that is appended stay in the table, and nothing be published.
func (r *running) lose(ctx context.Context, h lease.Held, lost *LostError) error {
	return tx.Do(ctx, r.DB, func(ctx context.Context, t *sql.Tx) error {
		if err := h.Check(ctx, t); err != nil {
			return err
		}
		if err := toTable(ctx, t); err != nil {
			return err
		}
		_, err := t.ExecContext(ctx, `UPDATE muster_outbox_log SET lost = $1`, lost.Why)
		return err
	})
}

// work publishes until ctx ends.
func (l *logged) work(ctx context.Context) error {
	var look time.Time // when the table is looked at
	pause := busy
	for {
		if !time.Now().Before(look) {
			moved, failed, err := l.table(ctx)
			if err != nil {
				return err
			}
			pause = min(2*pause, l.idle)
			switch {
			case failed != nil:
				l.away(ctx, failed, pause)
			case moved == Batch:
				pause = 0
			case moved > 0:
				pause = busy
			}
			look = time.Now().Add(pause)
			pause = max(pause, busy)
		}
		batch, end, err := l.reader.Next(ctx, l.patience(look), Batch, maxData)
		if err != nil {
			return l.end(ctx, err)
		}
		back, err := l.publish(ctx, batch, end)
		if err != nil {
			return l.end(ctx, err)
		}
		if back {
			look, pause = time.Now(), busy // it may be due, or what it waits for be gone
		}
	}
}

// patience is how long nothing else is to be done than to wait for messages.
func (l *logged) patience(look time.Time) time.Duration {
	wait := time.Until(look)
	if !l.dirty.IsZero() {
		wait = min(wait, time.Until(l.dirty.Add(savedWithin)))
	}
	return max(wait, time.Millisecond)
}

// end saves what was done.
func (l *logged) end(ctx context.Context, err error) error {
	if l.dirty.IsZero() || errors.Is(err, lease.ErrLost) {
		return err
	}
	if e := l.save(ctx, l.pos, nil); e != nil {
		err = errors.Join(err, e)
	}
	return err
}

// publish does with a batch what is to be done; back reports that a message was put into
// the table.
func (l *logged) publish(ctx context.Context, batch []Logged, end Position) (back bool, err error) {
	hand := make([]waits, len(batch))
	for i, m := range batch {
		hand[i] = l.take(m)
	}
	for pause := busy; len(hand) > 0; {
		failed, again := l.try(ctx, hand)
		n, puts := 0, 0
		for ; n < len(hand) && (hand[n].done || hand[n].back); n++ {
			if hand[n].back {
				puts++
			}
		}
		if puts > 0 {
			back = true
			if err := l.save(ctx, hand[n-1].after, hand[:n]); err != nil {
				return back, err
			}
		} else if n > 0 {
			l.move(hand[n-1].after)
		}
		hand = hand[n:]
		if len(hand) == 0 || again {
			continue
		}
		l.away(ctx, failed, pause)
		if !l.pause(ctx, pause, nil) {
			return back, context.Cause(ctx)
		}
		pause = min(2*pause, l.idle)
	}
	return back, l.progress(ctx, end, len(batch) > 0)
}

// take gives a message what the table would have given it.
func (l *logged) take(m Logged) waits {
	if m.Attributes == "" { // only a sign
		return waits{after: m.After, done: true}
	}
	w := waitingFor(m)
	if w.refused != "" {
		return w
	}
	l.number = max(l.number+1, m.Number)
	if w.Source == "" {
		w.Source = l.Source
	}
	if w.Sequence == "" {
		w.Sequence = fmt.Sprintf("%020d", l.number)
		all, _ := decode(w.attributes) // it has been read before
		all["sequence"] = w.Sequence
		if text, err := json.Marshal(all); err == nil {
			w.attributes = string(text)
		}
	}
	return w
}

// try publishes what is neither done nor waits for a row of the table. again reports that
// the rest was refused only for the sake of one that is out of the way now.
func (l *logged) try(ctx context.Context, hand []waits) (failed error, again bool) { //nolint:revive // it is a finding, not the outcome
	var rows []row
	var msgs []bus.Msg
	for i := range hand {
		w := &hand[i]
		if w.done {
			continue
		}
		if w.back = w.back || w.Key != "" && l.keys[w.Key]; w.back {
			if w.Key != "" {
				l.keys[w.Key] = true
			}
			continue
		}
		rows, msgs = append(rows, row{Msg: w.Msg, id: int64(i)}), append(msgs, w.Msg)
	}
	if len(msgs) == 0 {
		return nil, true
	}
	results := l.Publisher.Publish(ctx, msgs)
	if len(results) != len(msgs) {
		return fmt.Errorf("outbox: the publisher returned %d results for %d messages", len(results), len(msgs)), false
	}
	gone, refused, failed := judge(rows, results)
	for _, i := range gone {
		hand[i].done = true
	}
	for _, row := range refused {
		w := &hand[row.id]
		w.refused, w.back = row.refused, true
		if w.Key != "" {
			l.keys[w.Key] = true
		}
		l.log.ErrorContext(withTrace(ctx, row.Msg), refusal, "event", row.ID, "topic", row.Topic, "key", row.Key, "error", row.refused)
	}
	return failed, failed == nil || len(refused) > 0
}

// move notes that all before a position is done.
func (l *logged) move(to Position) {
	if l.pos = to; l.dirty.IsZero() {
		l.dirty = time.Now()
	}
}

// progress notes where the reader is, and saves when it is time to.
func (l *logged) progress(ctx context.Context, end Position, messages bool) error {
	if end != l.pos {
		l.pos = end
		if messages && l.dirty.IsZero() {
			l.dirty = time.Now()
		}
	}
	due := !l.dirty.IsZero() && time.Since(l.dirty) >= savedWithin || l.pos != l.saved && time.Since(l.last) >= restSaved
	if !due {
		return nil
	}
	return l.save(ctx, l.pos, nil)
}
