package simulation

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/musterdev/muster/bus/memory"
	"github.com/musterdev/muster/data/idempotency"
	"github.com/musterdev/muster/data/inbox"
	"github.com/musterdev/muster/data/lease"
	"github.com/musterdev/muster/data/outbox"
	"github.com/musterdev/muster/data/parking"
	"github.com/musterdev/muster/data/saga"
	"github.com/musterdev/muster/proof/simulation/database"
)

// Stage is the two databases that histories are played on, one after the other. It is for one
// goroutine at a time.
type Stage struct {
	orders, partners *database.Store
	tables           map[*database.Store][]string
}

// Open makes the databases, which are gone after [Stage.Close].
func Open(ctx context.Context) (_ *Stage, err error) {
	s := &Stage{tables: map[*database.Store][]string{}}
	if s.orders, err = database.Open("orders"); err != nil {
		return nil, err
	}
	if s.partners, err = database.Open("partners"); err != nil {
		return nil, errors.Join(err, s.orders.Close())
	}
	// With it SQLite plans a statement of the relay anew each time that it is asked, which takes
	// a sixth of all; without it the statement says the same.
	const planned = `DROP INDEX muster_outbox_waits`
	own := []func(context.Context, *sql.DB) error{lease.Migrate, outbox.Migrate, inbox.Migrate, parking.Migrate}
	err = errors.Join(
		s.prepare(ctx, s.orders, append(own, saga.Migrate, idempotency.Migrate), append(watches, ordersTables, planned)),
		s.prepare(ctx, s.partners, own, append(partnerTables, planned)))
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Close ends the databases.
func (s *Stage) Close() error { return errors.Join(s.orders.Close(), s.partners.Close()) }

func (s *Stage) prepare(ctx context.Context, store *database.Store, own []func(context.Context, *sql.DB) error, tables []string) (err error) {
	db := store.Pool(nil)
	defer func() { err = errors.Join(err, db.Close()) }()
	for _, migrate := range own {
		err = errors.Join(err, migrate(ctx, db))
	}
	for _, table := range tables {
		if err == nil {
			_, err = db.ExecContext(ctx, table)
		}
	}
	if err != nil {
		return err
	}
	found, err := db.QueryContext(ctx, `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '%_version' AND name NOT LIKE 'goose%'`)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, found.Close()) }()
	for found.Next() {
		var name string
		if err := found.Scan(&name); err != nil {
			return err
		}
		s.tables[store] = append(s.tables[store], name)
	}
	return found.Err()
}

// Report is what became of a history.
type Report struct {
	Seed   uint64
	Wrong  []string      // what must not be
	Faults int           // how many came
	Steps  int           // how often something left a process
	Took   time.Duration // by its own clock
	trail  []entry
}

// Trail tells all that left a process, one line each.
func (r Report) Trail() string {
	var b strings.Builder
	for i, e := range r.trail {
		what := strings.Join(strings.Fields(e.what), " ")
		if len(what) > 110 {
			what = what[:110]
		}
		came := ""
		if e.came != passes {
			came = "  <== " + string(e.came)
		}
		fmt.Fprintf(&b, "%5d %9s %-12s %-8s %s%s\n", i, e.at.Sub(r.trail[0].at).Round(time.Millisecond), e.who, e.kind, what, came)
	}
	return b.String()
}

// patience is how long after the last fault all must have ended, by the history's clock: the longest
// pause of a retry, a few times.
const patience = 3 * time.Minute

// Play plays one history. It is called in a bubble of testing/synctest, and the same seed comes to
// the same order of all that leaves a process, as far as the package comment says.
func (s *Stage) Play(seed uint64) (Report, error) {
	if err := s.clear(); err != nil {
		return Report{Seed: seed}, err
	}
	w := &World{gate: newGate(seed), plan: planOf(seed), orders: s.orders, partners: s.partners, broker: memory.New(), began: time.Now()}
	if err := w.furnish(); err != nil {
		return Report{Seed: seed}, err
	}
	w.orders.Freed, w.partners.Freed = w.ring, w.ring
	w.alive = make([]*Process, w.plan.orders+w.plan.partners)
	for i := range w.plan.orders {
		w.spawn(i, 1, 1, "orders", startOrders)
	}
	for i := range w.plan.partners {
		w.spawn(w.plan.orders+i, 1, 1, "partner", startPartner)
	}
	for i := range w.plan.sagas {
		w.clients = append(w.clients, w.newClient(i))
	}
	w.weather()
	w.after(w.plan.chaos, "the faults end", w.calm)
	w.helpful()
	look := time.Now().Add(w.plan.chaos)
	w.run(func() bool {
		const every = 200 * time.Millisecond
		now := time.Now()
		if now.Before(look) || w.orders.Busy() || w.partners.Busy() {
			return false
		}
		look = now.Add(every)
		w.after(every, "", func() {})
		open := w.open()
		if open != "" && now.Sub(w.began) > w.plan.chaos+patience {
			w.say("%v after the last fault there is still %s", patience, open)
			return true
		}
		return open == ""
	}, w.judge)
	took := time.Since(w.began)
	w.gate.end()
	for _, p := range w.alive {
		p.end()
	}
	w.broker.Start()
	w.all.Wait()
	w.check()
	w.orders.Freed, w.partners.Freed = nil, nil
	return Report{Seed: seed, Wrong: w.found, Faults: w.faults, Steps: len(w.trail), Took: took, trail: w.trail}, nil
}

// clear empties all tables.
func (s *Stage) clear() error {
	for store, tables := range s.tables {
		store.Set(0)
		for _, t := range tables {
			if err := store.Do(`DELETE FROM ` + t); err != nil {
				return fmt.Errorf("simulation: %s: %w", t, err)
			}
		}
	}
	return nil
}

// furnish puts in what there is at the beginning.
func (w *World) furnish() error {
	for _, q := range []string{
		fmt.Sprintf(`INSERT INTO stock (free) VALUES (%d)`, w.plan.stock),
		fmt.Sprintf(`INSERT INTO account (owner, balance) VALUES ('customer', %d), ('shop', 0)`, wealth),
	} {
		if err := w.partners.Do(q); err != nil {
			return err
		}
	}
	return nil
}
