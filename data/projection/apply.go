package projection

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/data/tx"
)

var errPaused = errors.New("projection: the build stands still while another takes its place")

// again is how soon an event is tried again that met a build standing still.
const again = 20 * time.Millisecond

// apply runs one event's effect once, in the transaction of its note.
func (p *Projection) apply(ctx context.Context, label string, d bus.Delivery, effect func(ctx context.Context, t tx.Tx) error) error {
	for {
		done := false
		err := p.do(ctx, func(ctx context.Context, t tx.Tx) error {
			fresh, err := p.note(ctx, t, label, d)
			done = fresh
			if err != nil || !fresh {
				return err
			}
			return effect(ctx, t)
		})
		if !errors.Is(err, errPaused) {
			if err == nil && done {
				p.changed()
			}
			return err
		}
		if !pause(ctx, again, nil) {
			return context.Cause(ctx)
		}
	}
}

// note notes an event. fresh is false when there is nothing to do: it was noted before, or the build is gone. The note is
// made from the build's own row, so that it costs no further statement to see whether the build still takes any.
func (p *Projection) note(ctx context.Context, t tx.Tx, label string, d bus.Delivery) (fresh bool, err error) {
	if d.Source == "" || d.ID == "" {
		return false, bus.Final(errors.New("projection: a message has neither source nor id"))
	}
	now := p.dialect.Now()
	n, err := affected(t.ExecContext(ctx, `INSERT INTO muster_projection_note (projection, build, source, id, topic, handled)
		SELECT b.projection, b.build, CAST($3 AS text), CAST($4 AS text), CAST($5 AS text), `+now+` FROM muster_projection_build b
			WHERE b.projection = $1 AND b.build = $2 AND b.state <> '`+dropped+`' AND b.paused <= `+now+`
		ON CONFLICT (projection, build, source, id) DO NOTHING`, p.Name, label, d.Source, d.ID, d.Topic))
	if err != nil || n == 1 {
		return n == 1, err
	}
	var still int
	err = t.QueryRowContext(ctx, `SELECT count(*) FROM muster_projection_build b WHERE b.projection = $1 AND b.build = $2 AND b.state <> '`+dropped+`'
		AND NOT EXISTS (SELECT 1 FROM muster_projection_note n WHERE n.projection = b.projection AND n.build = b.build AND n.source = $3 AND n.id = $4)`,
		p.Name, label, d.Source, d.ID).Scan(&still)
	if err == nil && still > 0 {
		return false, errPaused
	}
	return false, explained(err)
}

// applied runs fn and records that it failed, a panic included, where whoever decides over
// the build finds it.
func (p *Projection) applied(ctx context.Context, label string, d bus.Delivery, fn func(ctx context.Context) error) (err error) {
	reason := "the handler panicked"
	defer func() {
		if reason == "" {
			return
		}
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
		defer cancel()
		gone, e := p.failed(bounded, label, d, reason)
		if gone {
			err = nil // nobody will ever read what could not be written
		} else if e != nil {
			p.log.WarnContext(ctx, "it could not be recorded that an event failed", "build", label, "message", d.ID, "error", e)
		}
	}()
	if err = fn(ctx); err == nil || ctx.Err() != nil {
		reason = "" // one that was cut off is tried again as if it had not been
		return err
	}
	reason = err.Error()
	return err
}

// patience bounds what is written beside an effect.
const patience = 2 * time.Second

// failed records a failure. gone reports that the build is no more.
func (p *Projection) failed(ctx context.Context, label string, d bus.Delivery, reason string) (gone bool, err error) {
	const most = 500
	if len(reason) > most {
		reason = reason[:most]
	}
	n, err := affected(p.DB.ExecContext(ctx, `INSERT INTO muster_projection_failed (projection, build, source, id, topic, key, error, at)
		SELECT b.projection, b.build, CAST($3 AS text), CAST($4 AS text), CAST($5 AS text), CAST($6 AS text), CAST($7 AS text), `+p.dialect.Now()+` FROM muster_projection_build b
			WHERE b.projection = $1 AND b.build = $2 AND b.state <> '`+dropped+`'
		ON CONFLICT (projection, build, source, id) DO UPDATE SET error = excluded.error, at = excluded.at`,
		p.Name, label, d.Source, d.ID, d.Topic, d.Key, strings.ReplaceAll(strings.ToValidUTF8(reason, "\uFFFD"), "\x00", "")))
	return err == nil && n == 0, err
}

// changed wakes those who wait for an event.
func (p *Projection) changed() {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.change)
	p.change = make(chan struct{})
}

// pause waits for so long, or for the bell, and returns false when ctx ends.
func pause(ctx context.Context, d time.Duration, bell <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-bell:
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}
