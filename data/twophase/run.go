package twophase

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/musterdev/muster/data/migrate"
)

// Ended counts what a call of [Coordinator.Settle] brought to its end.
type Ended struct {
	Committed, RolledBack int // at participants
}

// Run ends what crashed coordinators of this Name and database left behind at participants, until ctx
// ends; then it returns nil. It looks four times in each Patience. A participant that cannot be asked is
// logged and asked again; an error is returned for what no further try can mend: a wrong field, tables that are
// missing, a participant that prepares nothing.
func (c *Coordinator) Run(ctx context.Context) error {
	if err := c.prepares(ctx); err != nil {
		return err
	}
	tick := time.NewTicker(max(c.patience()/4, time.Second))
	defer tick.Stop()
	for {
		done, err := c.Settle(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case migrate.Missing(err, "muster_twophase"):
			return err
		case err != nil:
			c.log().ErrorContext(ctx, "not all that is prepared could be ended; it holds its locks until it is", "error", err)
		case done != (Ended{}):
			c.log().WarnContext(ctx, "operations whose coordinator did not end them are ended", "committed", done.Committed, "rolled_back", done.RolledBack)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// prepares fails when a participant can prepare nothing. One that is away may.
func (c *Coordinator) prepares(ctx context.Context) error {
	if err := c.check(); err != nil {
		return err
	}
	for _, name := range c.names() {
		var most int
		err := c.Participants[name].QueryRowContext(ctx, `SELECT setting FROM pg_settings WHERE name = 'max_prepared_transactions'`).Scan(&most)
		if err == nil && most == 0 {
			return disabled(name, errors.New("max_prepared_transactions is 0"))
		}
	}
	return nil
}

// Settle is one look of [Coordinator.Run]: what was prepared longer than Patience ago is committed or rolled back,
// as was decided. The error names what could not be; the rest is done nevertheless.
func (c *Coordinator) Settle(ctx context.Context) (done Ended, err error) {
	self, err := c.ready(ctx)
	if err != nil {
		return done, err
	}
	began, err := now(ctx, c.DB) // what is decided later may be prepared by then where it was not when that was asked
	if err != nil {
		return done, err
	}
	var errs []error
	pending := map[string]bool{} // operations that are prepared somewhere
	blind := map[string]bool{}   // participants that could not be asked for all, or would not end something
	for _, name := range c.names() {
		found, err := c.listed(ctx, self, name)
		blind[name] = len(found) == MostListed // there may be more
		for _, p := range found {
			if !p.Ours || p.Participant != name {
				continue
			}
			pending[p.Operation] = true
			if p.age < c.patience() {
				continue
			}
			committed, e := c.outcome(ctx, p.Operation)
			if e == nil {
				_, e = finish(ctx, c.Participants[name], p.GID, committed)
			}
			switch {
			case e != nil:
				err = errors.Join(err, e)
			case committed:
				done.Committed++
			default:
				done.RolledBack++
			}
			if errors.Is(e, context.DeadlineExceeded) { // it hangs, and would for each of them
				break
			}
		}
		if err != nil {
			blind[name] = true
			errs = append(errs, fmt.Errorf("twophase: %s: %w", place(name), err))
		}
	}
	return done, errors.Join(append(errs, c.tidy(ctx, began, pending, blind))...)
}

// tidy deletes the records that nobody will ask for any more.
func (c *Coordinator) tidy(ctx context.Context, began int64, pending, blind map[string]bool) error {
	if _, err := c.DB.ExecContext(ctx, clock(`DELETE FROM muster_twophase WHERE commits = 0 AND decided < NOW - CAST($1 AS bigint)`), Keep.Milliseconds()); err != nil {
		return explain(err)
	}
	ended, err := c.ended(ctx, began, pending, blind)
	for _, id := range ended {
		if err = c.forget(ctx, id); err != nil {
			break
		}
	}
	return err
}

// ended returns operations that were committed long before Settle began and are prepared nowhere.
func (c *Coordinator) ended(ctx context.Context, began int64, pending, blind map[string]bool) (ids []string, err error) {
	rows, err := c.DB.QueryContext(ctx, `SELECT id, branches FROM muster_twophase WHERE commits = 1 AND decided < $1 ORDER BY decided LIMIT 1000`, began-c.patience().Milliseconds())
	if err != nil {
		return nil, explain(err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var id, branches string
		if err := rows.Scan(&id, &branches); err != nil {
			return nil, err
		}
		unseen := func(name string) bool { return blind[name] || c.Participants[name] == nil }
		if !pending[id] && !slices.ContainsFunc(strings.Fields(branches), unseen) {
			ids = append(ids, id)
		}
	}
	return ids, rows.Err()
}

// listed returns what a participant has prepared, ours first. One that hangs is not waited for.
func (c *Coordinator) listed(ctx context.Context, self, participant string) (found []Prepared, err error) {
	ctx, cancel := context.WithTimeout(ctx, ending)
	defer cancel()
	rows, err := c.Participants[participant].QueryContext(ctx, `SELECT gid, owner, CAST(extract(epoch FROM clock_timestamp() - prepared) * 1000 AS bigint)
		FROM pg_prepared_xacts WHERE database = current_database() ORDER BY starts_with(gid, $1) DESC, prepared LIMIT `+fmt.Sprint(MostListed), strings.TrimSuffix(c.gid(self, "", ""), ":"))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		p := Prepared{Participant: participant}
		var age int64
		if err := rows.Scan(&p.GID, &p.Owner, &age); err != nil {
			return nil, err
		}
		p.age = time.Duration(age) * time.Millisecond
		p.Age = p.age.Seconds()
		part := strings.Split(p.GID, ":")
		const parts = 5
		if len(part) == parts && c.gid(self, part[3], part[4]) == p.GID {
			p.Ours, p.Operation, p.Participant = true, part[3], part[4]
		}
		found = append(found, p)
	}
	return found, rows.Err()
}
