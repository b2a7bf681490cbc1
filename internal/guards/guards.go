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
)

// guards returns the table, those the second issue names first.
func guards() []guard {
	return []guard{
		{"inbox: the insert decides", []edit{{"data/inbox/inbox.go", "return n == 1, err", "return n >= 0, err"}}, suite, every},
		{"saga: fence of a transition", []edit{{"data/saga/internal/table/write.go", "AND fence = $15", "AND $15 >= 0"}}, suite, "^TestSagas$"},
		{"saga: fence in a group on PostgreSQL", []edit{{"data/saga/internal/table/many.go", "AND s.fence = i.from_fence", "AND i.from_fence >= 0"}}, "./drivers/postgres", "^TestSagas$/^together$"},
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
		{"saga: an outcome ends the count of lost holders", []edit{{"data/saga/internal/table/write.go", "lost = 0, seq", "seq"}}, suite, "^TestSagas$"},
		{"parking: what is behind waits", []edit{{"bus/receive.go", "held, err := r.parking.Held(ctx, r.group, d.Key)", "held, err := false, ctx.Err()"}}, "./bus", "."},
	}
}
