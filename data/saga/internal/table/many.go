package table

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/musterdev/muster/data/group"
	"github.com/musterdev/muster/data/tx"
)

// The statements that write many rows at once: i are the rows, k the kinds of what is done to
// them, of which there are few, so that what many rows have in common is sent once; of n % 1 = 0
// see group.Columns. OFFSET 0 keeps PostgreSQL from looking a row up before it knows its kind.
const (
	moveMany = `UPDATE muster_saga s SET state = i.to_state, undoing = i.to_undoing, step = i.to_step, attempts = i.attempts,
			faults = i.faults, doubt = i.doubt, data = COALESCE(i.data, s.data), reason = i.reason, error = i.error, owner = i.owner,
			leased_until = CASE WHEN i.owner = '' THEN 0 ELSE NOW + LEASE END, next_at = CASE WHEN i.after = 0 AND s.next_at <= NOW THEN s.next_at ELSE NOW + i.after END,
			fence = s.fence + i.fences, version = i.version, lost = 0, seq = s.seq + 1, updated = NOW,
			past = CASE WHEN i.past = '' THEN s.past ELSE s.past || (s.seq + 1) || ' ' || NOW || ' ' || i.past || ';' END
		FROM (SELECT i.id, i.fence, i.data, i.n, k.*
			FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bytea[]) WITH ORDINALITY AS i(id, fence, kind, data, n), unnest($5::text[], $6::text[], $7::text[], $8::bigint[], $9::text[], $10::bigint[], $11::text[], $12::bigint[], $13::bigint[], $14::bigint[],
			$15::text[], $16::text[], $17::text[], $18::bigint[], $19::bigint[], $20::bigint[], $21::text[], $22::text[], $23::text[], $24::text[], $25::text[])
			WITH ORDINALITY AS k(name, from_state, from_step, from_undoing, to_state, to_undoing, to_step, attempts, faults, doubt,
			reason, error, owner, after, fences, version, past, outcome, wrong, who, why, kind) WHERE k.kind = i.kind OFFSET 0) AS i
		WHERE i.n % 1 = 0 AND s.name = i.name AND s.id = i.id AND s.fence = i.fence AND s.state = i.from_state AND s.step = i.from_step
		RETURNING `
	// moveManyNoted is moveMany where one at least has a note of its own.
	moveManyNoted = `WITH moved AS (` + moveMany + `i.n, s.name, s.id, s.seq, i.from_step, i.from_undoing, i.outcome, i.wrong, i.who, i.why),
	noted AS (INSERT INTO muster_saga_step (name, id, seq, step, direction, outcome, error, who, why, at)
		SELECT name, id, seq, from_step, CASE WHEN from_undoing = 1 THEN 'undo' ELSE 'do' END, outcome, wrong, who, why, NOW FROM moved WHERE outcome <> '')
	SELECT n FROM moved`

	openMany = `INSERT INTO muster_saga (name, id, version, state, undoing, step, attempts, faults, doubt, data, fence, owner,
			leased_until, next_at, reason, error, seq, trace_parent, created, updated)
		SELECT k.name, i.id, k.version, 'running', 0, k.step, 0, 0, 0, i.data, k.fence, k.owner,
			CASE WHEN k.owner = '' THEN 0 ELSE NOW + LEASE END, NOW, '', '', 1, i.trace, NOW, NOW
		FROM unnest($1::text[], $2::bigint[], $3::bytea[], $4::text[]) AS i(id, kind, data, trace),
			unnest($5::text[], $6::bigint[], $7::text[], $8::bigint[], $9::text[]) WITH ORDINALITY AS k(name, version, step, fence, owner, n)
		WHERE k.n = i.kind`
	// openManyNew is openMany of those that are not there yet.
	openManyNew = openMany + ` ON CONFLICT (name, id) DO NOTHING RETURNING name, id`
)

// kinds numbers what rows have in common, from 1.
type kinds[K comparable] struct {
	numbers map[K]int64
	columns group.Columns
}

func newKinds[K comparable](columns int) *kinds[K] {
	const usual = 3
	return &kinds[K]{map[K]int64{}, group.NewColumns(columns, usual)}
}

// of returns the number of a kind; write is called for the first of it.
func (l *kinds[K]) of(kind K, write func(*group.Row)) int64 {
	n, ok := l.numbers[kind]
	if !ok {
		n = int64(len(l.numbers)) + 1
		l.numbers[kind] = n
		write(l.columns.Row())
	}
	return n
}

// moveKind is what the moves of many sagas have in common.
type moveKind struct {
	name               string
	fromState, toState State
	fromStep, toStep   string
	fromUndo, toUndo   bool
	attempts, faults   int
	doubt              bool
	reason, err, owner string
	after              time.Duration
	fences             int64
	version            int
	past               string
	why                Event // zero: none
}

func (m *Move) kind() moveKind {
	k := moveKind{
		m.From.Name, m.From.State, m.To.State, m.From.Step, m.To.Step, m.From.Undoing, m.To.Undoing, m.To.Attempts, m.To.Faults, m.To.Doubt,
		m.To.Reason, m.To.Err, m.To.Owner, m.To.After, m.To.Fence - m.From.Fence, m.To.Version, m.past(),
		Event{},
	}
	if k.past == "" && m.Why != nil {
		k.why = *m.Why
	}
	return k
}

func (k *moveKind) write(r *group.Row) {
	r.Text(k.name).Text(string(k.fromState)).Text(k.fromStep).Number(number(k.fromUndo)).
		Text(string(k.toState)).Number(number(k.toUndo)).Text(k.toStep).Number(int64(k.attempts)).Number(int64(k.faults)).Number(number(k.doubt)).
		Text(k.reason).Text(k.err).Text(k.owner).Number(k.after.Milliseconds()).Number(k.fences).Number(int64(k.version)).
		Text(k.past).Text(k.why.Outcome).Text(k.why.Error).Text(k.why.By).Text(k.why.Why)
}

func (s *Table) writeMany(ctx context.Context, t group.Conn, moves []*Move) ([]error, error) {
	const columns, ofKind = 4, 21
	l, all := group.NewColumns(columns, len(moves)), newKinds[moveKind](ofKind)
	statement := s.said.move
	for _, m := range moves {
		k := m.kind()
		if k.why.Outcome != "" {
			statement = s.said.moveNoted
		}
		r := l.Row().Text(m.From.ID).Number(m.From.Fence).Number(all.of(k, k.write))
		if m.To.Same {
			r.Null()
		} else {
			r.Bytes(m.To.Data)
		}
	}
	errs := make([]error, len(moves))
	for i := range errs {
		errs[i] = ErrLost
	}
	var n int
	return errs, ask(ctx, t, statement, append(l.Args(), all.columns.Args()...), func() { errs[n-1] = nil }, &n)
}

// startKind is what many sagas that begin have in common.
type startKind struct {
	name    string
	version int
	step    string
	fence   int64
	owner   string
}

func (k *startKind) write(r *group.Row) {
	r.Text(k.name).Number(int64(k.version)).Text(k.step).Number(k.fence).Text(k.owner)
}

// wary is for how many groups, after one with a saga that was there already, rows are looked for before
// they are written: that such a group fails costs it once more, and a line in the server's log.
const wary = 256

func (s *Table) insertMany(ctx context.Context, t group.Conn, starts []*Row) ([]error, error) {
	const columns, ofKind = 4, 5
	l, all := group.NewColumns(columns, len(starts)), newKinds[startKind](ofKind)
	for _, r := range starts {
		k := startKind{r.Name, r.Version, r.Step, r.Fence, r.Owner}
		l.Row().Text(r.ID).Number(all.of(k, k.write)).Bytes(r.Data).Text(r.Trace)
	}
	errs, args := make([]error, len(starts)), append(l.Args(), all.columns.Args()...)
	if s.clashes.Load() == 0 { // to look whether a row is there before it is written costs as much as an index more
		_, err := t.ExecContext(ctx, s.said.open, args...)
		if !tx.IsUniqueViolation(err) {
			return errs, explain(err)
		}
		s.clashes.Store(wary)
	} else {
		s.clashes.Add(-1)
	}
	index := make(map[Key]int, len(starts))
	for i, r := range slices.Backward(starts) { // of two with one name the first is made
		errs[i], index[r.Key()] = ErrExists, i
	}
	var k Key
	return errs, ask(ctx, t, s.said.openNew, args, func() { errs[index[k]] = nil }, &k.Name, &k.ID)
}

// ask sends rows with a statement that returns a row for each that it wrote: it is
// read into dst, and written is called.
func ask(ctx context.Context, t group.Conn, statement string, args []any, written func(), dst ...any) (err error) {
	rows, err := t.QueryContext(ctx, statement, args...)
	if err != nil {
		return explain(err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		if err := rows.Scan(dst...); err != nil {
			return explain(err)
		}
		written()
	}
	return explain(rows.Err())
}
