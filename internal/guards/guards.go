package main

// edit is a piece of code that stands once in a file, and what stands there when the
// guard is gone.
type edit struct{ File, Code, Without string }

// guard is what keeps something from being lost or done twice.
type guard struct {
	Name  string
	Edits []edit
	Suite string // the package whose tests must notice
	Run   string // which of them
}

const (
	suite = "./drivers/sqlite" // the suites of data/datatest on a real engine
	every = "^TestSuite$"

	logical = "./drivers/postgres/logical"

	histories = "./proof/simulation"
	played    = "^TestHistories$"
)

// guards returns the table, those the second issue names first.
func guards() []guard {
	return []guard{
		{"inbox: the insert decides", []edit{{"data/inbox/inbox.go", "return n == 1, err", "return n >= 0, err"}}, suite, every},
		{"saga: fence of a transition", []edit{{"data/saga/internal/table/write.go", "AND fence = $15", "AND $15 >= 0"}}, suite, "^TestSagas$"},
		{"saga: fence in a group on PostgreSQL", []edit{{"data/saga/internal/table/many.go", "AND s.fence = i.fence", "AND i.fence >= 0"}}, "./drivers/postgres", "^TestSagas$/^together$"},
		{"idempotency: fence in a group", []edit{{"data/idempotency/together.go", "map[bool]error{true: ErrFenced}[n == 0]", "map[bool]error{true: ErrFenced}[n < 0]"}}, suite, "^TestSuite$/^http$"},
		{"inbox: the insert decides in a group", []edit{{"data/inbox/notes.go", "map[bool]error{true: errNoted}[done == 0]", "map[bool]error{true: errNoted}[done < 0]"}}, suite, "^TestSuite$/^inbox$"},
		{"group: of those who come together one fails alone", []edit{{"data/group/group.go", "len(batch) > 1 && ofOne(err)", "len(batch) > 1 && !ofOne(err)"}}, "./data/group", "."},
		{"saga: fence of a local step", []edit{{"data/saga/internal/table/store.go", "|| err == nil && fence != r.Fence", ""}}, suite, "^TestSagas$"},
		{"outbox: fence of the relay", []edit{{"data/outbox/relay.go", "if err := h.Check(ctx, t); err != nil {", "if err := h.Check(ctx, t); err != nil && ctx.Err() != nil {"}}, suite, every},
		{"idempotency: the row", []edit{{"data/idempotency/run.go", "return s.finish(ctx, t, c.Request, found.fence, recorded)", "return nil"}}, suite, every},
		{"saga: compensation", []edit{{"data/saga/internal/plan/moves.go", "if d.Steps[i].Undo != nil {", "if i > len(d.Steps) && d.Steps[i].Undo != nil {"}}, suite, "^TestSagas$"},
		{"outbox: delete what was published", []edit{{"data/outbox/relay.go", "return r.settle(ctx, t, gone, refused)", "return r.settle(ctx, t, nil, refused)"}}, suite, every},
		{"outbox: delete after publish, not before", []edit{
			{"data/outbox/relay.go", "\tvar results []bus.Result\n", `	all := make([]int64, len(rows))
	for i := range rows {
		all[i] = rows[i].id
	}
	if err := tx.Do(ctx, r.DB, func(ctx context.Context, t *sql.Tx) error { return r.settle(ctx, t, all, nil) }); err != nil {
		return 0, nil, err
	}
	var results []bus.Result
`},
		}, suite, every},
		{"outbox: only what was published", []edit{{"data/outbox/relay.go", "case row.refused == \"\" && err == nil:", "case row.refused == \"\":"}}, suite, every},

		{"saga: an unknown outcome is undone too", []edit{{"data/saga/internal/plan/moves.go", "\t\t\tif !r.Doubt {\n\t\t\t\ti--\n\t\t\t}\n", "\t\t\ti--\n"}}, suite, "^TestSagas$"},
		{"saga: an edit of what changed meanwhile", []edit{{"data/saga/mend.go", "case r.Seq != ed.Seq:", "case r.Seq < 0:"}}, suite, "^TestSagas$"},
		{"saga: a held step is not tried", []edit{{"data/saga/hold.go", "if !r.holds.Has(at) {", "if !r.holds.Has(at) || at != nil {"}}, suite, "^TestSagas$/^holding$"},
		{"saga: who fails at a held step is spared", []edit{{"data/saga/hold.go", "if !o.Counts() || !r.holds.Same(&at, plan.Alike(o, at.ID)) {", "if at.ID != \"\" {"}}, suite, "^TestSagas$/^holding$"},
		{"saga: a step held for a mistake waits for a person", []edit{{"data/saga/hold.go", "if h.Outcome == string(plan.Bug) {", "if h.Outcome == \"\" {"}}, suite, "^TestSagas$/^holding$"},
		{"saga: an outcome ends the count of lost holders", []edit{{"data/saga/internal/table/write.go", "lost = 0, seq", "seq"}}, suite, "^TestSagas$"},
		{"webhook: fence of a delivery", []edit{{"webhook/deliver.go", "AND fence = $8 AND state", "AND $8 >= 0 AND state"}}, suite, "^TestWebhooks$/stale"},
		{"webhook: lease of a delivery", []edit{{"webhook/deliver.go", "AND leased_until <= NOW ORDER BY", "ORDER BY"}}, suite, "^TestWebhooks$"},
		{"webhook: half of the workers for those that fail", []edit{{"webhook/run.go", "min(left, r.c.Workers/2-r.apart)", "left"}}, suite, "^TestWebhooks$"},
		{"webhook: who answers late has the share of those that fail", []edit{{"webhook/run.go", "return d.failing || d.slow", "return d.failing"}}, suite, "^TestWebhooks$"},
		{"webhook: redirects are not followed", []edit{{"webhook/post.go", "return http.ErrUseLastResponse", "return nil"}}, suite, "^TestWebhooks$"},
		{"webhook: the time of an answer is bounded", []edit{{"webhook/post.go", "context.WithTimeoutCause(ctx, w.c.Timeout, late)", "context.WithTimeoutCause(ctx, 1000*w.c.Timeout, late)"}}, suite, "^TestWebhooks$/lie"},
		{"webhook: the address is judged when it is dialed", []edit{{"webhook/guard/guard.go", "return g.Check(to.Addr())", "return g.Check(to.Addr().Prev())"}}, "./webhook/guard", "."},
		{"two-phase: what was rolled back is not committed", []edit{{"data/twophase/operation.go", "err != nil || n == 0 {", "err != nil || n < 0 {"}}, "./drivers/postgres", "^TestTwoPhase"},
		{"two-phase: what is decided while Settle asks is not forgotten", []edit{{"data/twophase/run.go", "began-c.patience().Milliseconds()", "began+24*time.Hour.Milliseconds()"}}, "./drivers/postgres", "^TestTwoPhase"},
		{"two-phase: others' are left alone", []edit{{"data/twophase/run.go", "if !p.Ours || p.Participant != name {", "if p.Participant != name {"}}, "./drivers/postgres", "^TestTwoPhase"},
		{"compare: what is on its way is no divergence", []edit{{"data/compare/differences.go", "if differs && had == has && was == is {", "if differs {"}}, "./data/compare", "."},
		{"parking: what is behind waits", []edit{{"bus/receive.go", "held, err := r.parking.Held(ctx, r.group, d.Key)", "held, err := false, ctx.Err()"}}, "./bus", "."},

		// What the simulation's histories must notice, whatever the suites do.
		{"simulation: saga: fence of a transition", []edit{{"data/saga/internal/table/write.go", "AND fence = $15", "AND $15 >= 0"}}, histories, played},
		{"simulation: saga: what was lost is asked again, not undone at once", []edit{{"data/saga/internal/plan/outcome.go", "o.Kind = Unknown\n\t}\n\treturn o", "o.Kind, o.Sure = Rejected, true\n\t}\n\treturn o"}}, histories, played},
		{"simulation: saga: what was in doubt is undone too", []edit{{"data/saga/internal/plan/moves.go", "\t\t\tif !r.Doubt {\n\t\t\t\ti--\n\t\t\t}\n", "\t\t\ti--\n"}}, histories, played},
		{"simulation: saga: a lease that ended is no refusal", []edit{{"data/saga/internal/plan/outcome.go", "if errors.Is(err, table.ErrLost) {", "if errors.Is(err, table.ErrLost) && err == nil {"}}, histories, played},
		{"simulation: saga: one key for all tries", []edit{{"data/saga/saga.go", "return c.Saga + \"/\" + c.ID + \"/\" + c.Step + direction", "return c.Saga + \"/\" + c.ID + \"/\" + c.Step + string(rune('a'+c.Fence)) + direction"}}, histories, played},
		{"simulation: inbox: the insert decides", []edit{{"data/inbox/inbox.go", "return n == 1, err", "return n >= 0, err"}}, histories, played},
		{"simulation: barrier: nothing is undone that was never done", []edit{{"data/inbox/barrier.go", "return first && !never, err", "return first && (first || never), err"}}, histories, played},
		{"simulation: barrier: nothing is done after its undoing", []edit{{"data/inbox/barrier.go", "never, err := Insert(ctx, t, b.Name, key, doing)", "never, err := false, error(nil)"}}, histories, played},
		{"simulation: outbox: fence of the relay", []edit{{"data/outbox/relay.go", "if err := h.Check(ctx, t); err != nil {", "if err := h.Check(ctx, t); err != nil && ctx.Err() != nil {"}}, histories, played},
		{"simulation: outbox: only what was published", []edit{{"data/outbox/relay.go", "case row.refused == \"\" && err == nil:", "case row.refused == \"\":"}}, histories, played},
		{"simulation: idempotency: the row", []edit{{"data/idempotency/run.go", "return s.finish(ctx, t, c.Request, found.fence, recorded)", "return nil"}}, histories, played},
		{"simulation: parking: what is behind waits", []edit{{"bus/receive.go", "held, err := r.parking.Held(ctx, r.group, d.Key)", "held, err := false, ctx.Err()"}}, histories, played},

		// What the histories of leases and keys must notice.
		{"history: lease: fence of a check", []edit{{"data/lease/lease.go", "return owned(t.ExecContext(ctx, `UPDATE muster_lease SET held_until = `+h.now+` + $1 WHERE name = $2 AND fence = $3`", "return owned(t.ExecContext(ctx, `UPDATE muster_lease SET held_until = `+h.now+` + $1 WHERE name = $2 AND $3 >= 0`"}}, "./proof/history", "^TestLeases$/^SQLite$"},
		{"history: lease: only what is free is taken", []edit{{"data/lease/run.go", "case left > 0: // only read, for waiting is what most do all the time\n\t\treturn h, min(max(time.Duration(left)*time.Millisecond, soonest), Beat), nil\n\t}\n\terr = tx.Do(ctx, db, func(ctx context.Context, t *sql.Tx) error {\n\t\terr := owned(t.ExecContext(ctx, `UPDATE muster_lease SET owner = $1, fence = fence + 1, held_until = `+h.now+` + $2\n\t\t\tWHERE name = $3 AND held_until <= `+h.now,", "case left > 1<<40: // only read, for waiting is what most do all the time\n\t\treturn h, min(max(time.Duration(left)*time.Millisecond, soonest), Beat), nil\n\t}\n\terr = tx.Do(ctx, db, func(ctx context.Context, t *sql.Tx) error {\n\t\terr := owned(t.ExecContext(ctx, `UPDATE muster_lease SET owner = $1, fence = fence + 1, held_until = `+h.now+` + $2\n\t\t\tWHERE name = $3 AND held_until > 0-`+h.now,"}}, "./proof/history", "^TestLeases$/^SQLite$"},
		{"history: idempotency: fence of an answer", []edit{{"data/idempotency/together.go", "finishOne = `UPDATE muster_idempotency SET answer = $1, locked_until = 0\n\t\tWHERE scope = $2 AND \"key\" = $3 AND fence = $4 AND answer IS NULL`", "finishOne = `UPDATE muster_idempotency SET answer = $1, locked_until = 0\n\t\tWHERE scope = $2 AND \"key\" = $3 AND $4 > 0`"}}, "./proof/history", "^TestKeys$/^SQLite$"},
		{"history: idempotency: what is in flight is nobody else's", []edit{{"data/idempotency/store.go", "case rec.live:", "case rec.live && ctx.Err() != nil:"}}, "./proof/history", "^TestKeys$/^SQLite$"},
		{"outbox by the log: a slot that was made anew", []edit{{"drivers/postgres/logical/slot.go", "case at > behind:", "case at > behind && at == 0:"}}, logical, "^TestALostSlot"},
		{"outbox: its turn on MariaDB", []edit{{"data/outbox/schema/mysql/00001_outbox.sql", " FOR UPDATE;", ";"}}, "./drivers/mysql", "^TestSuite$/^outbox$"},
		{"outbox by the log: what waits holds its key", []edit{{"data/outbox/logged.go", "w.back || w.Key != \"\" && l.keys[w.Key]", "w.back"}}, logical, "^TestOutbox$/^refused"},
		{"cdc: the position moves with the effect", []edit{{"data/cdc/follower.go", "w.move(ctx, t, end)", "w.move(ctx, t, saved)"}}, logical, "^TestACopyIsTheSource"},
	}
}
