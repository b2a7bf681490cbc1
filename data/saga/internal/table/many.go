package table

import (
	"context"
	"errors"
	"slices"

	"github.com/musterdev/muster/data/group"
)

// The statements that write many rows at once; of n % 1 = 0 see group.Columns.
const (
	moveMany = `WITH moved AS (UPDATE muster_saga s SET state = i.to_state, undoing = i.to_undoing, step = i.to_step, attempts = i.attempts,
			faults = i.faults, doubt = i.doubt, data = i.data, reason = i.reason, error = i.error, owner = i.owner,
			leased_until = CASE WHEN i.owner = '' THEN 0 ELSE NOW + LEASE END, next_at = CASE WHEN i.after = 0 AND s.next_at <= NOW THEN s.next_at ELSE NOW + i.after END, fence = i.to_fence, version = i.version,
			lost = 0, seq = s.seq + 1, updated = NOW
		FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::bigint[],
			$7::text[], $8::bigint[], $9::text[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bytea[], $14::text[], $15::text[],
			$16::text[], $17::bigint[], $18::bigint[], $19::text[], $20::text[], $21::text[], $22::text[], $23::bigint[])
			WITH ORDINALITY AS i(name, id, from_fence, from_state, from_step, from_undoing,
			to_state, to_undoing, to_step, attempts, faults, doubt, data, reason, error,
			owner, after, to_fence, outcome, wrong, who, why, version, n)
		WHERE i.n % 1 = 0 AND s.name = i.name AND s.id = i.id AND s.fence = i.from_fence AND s.state = i.from_state AND s.step = i.from_step
		RETURNING i.n, s.name, s.id, s.seq, i.from_step, i.from_undoing, i.outcome, i.wrong, i.who, i.why),
	noted AS (INSERT INTO muster_saga_step (name, id, seq, step, direction, outcome, error, who, why, at)
		SELECT name, id, seq, from_step, CASE WHEN from_undoing = 1 THEN 'undo' ELSE 'do' END, outcome, wrong, who, why, NOW FROM moved WHERE outcome <> '')
	SELECT n FROM moved`

	openMany = `INSERT INTO muster_saga (name, id, version, state, undoing, step, attempts, faults, doubt, data, fence, owner,
			leased_until, next_at, reason, error, seq, trace_parent, created, updated)
		SELECT name, id, version, 'running', 0, step, 0, 0, 0, data, fence, owner,
			CASE WHEN owner = '' THEN 0 ELSE NOW + LEASE END, NOW, '', '', 1, trace, NOW, NOW
		FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::bytea[], $6::bigint[], $7::text[], $8::text[])
			AS i(name, id, version, step, data, fence, owner, trace)
		ON CONFLICT (name, id) DO NOTHING RETURNING name, id`
)

func (s *Table) writeMany(ctx context.Context, t group.Conn, moves []*move) ([]error, error) {
	const columns = 23
	l := group.NewColumns(columns, len(moves))
	for _, m := range moves {
		var why Event
		if m.why != nil {
			why = *m.why
		}
		from, to := m.from, m.to
		l.Row().Text(from.Name).Text(from.ID).Number(from.Fence).Text(string(from.State)).Text(from.Step).Number(number(from.Undoing)).
			Text(string(to.State)).Number(number(to.Undoing)).Text(to.Step).Number(int64(to.Attempts)).Number(int64(to.Faults)).Number(number(to.Doubt)).
			Bytes(to.Data).Text(to.Reason).Text(to.Err).Text(to.Owner).Number(to.After.Milliseconds()).Number(to.Fence).
			Text(why.Outcome).Text(why.Error).Text(why.By).Text(why.Why).Number(int64(to.Version))
	}
	errs := make([]error, len(moves))
	for i := range errs {
		errs[i] = ErrLost
	}
	var n int
	return errs, ask(ctx, t, s.said.move, l, func() { errs[n-1] = nil }, &n)
}

func (s *Table) insertMany(ctx context.Context, t group.Conn, starts []Row) ([]error, error) {
	const columns = 8
	l := group.NewColumns(columns, len(starts))
	for _, r := range starts {
		l.Row().Text(r.Name).Text(r.ID).Number(int64(r.Version)).Text(r.Step).Bytes(r.Data).Number(r.Fence).Text(r.Owner).Text(r.Trace)
	}
	errs := make([]error, len(starts))
	index := make(map[Key]int, len(starts))
	for i, r := range slices.Backward(starts) { // of two with one name the first is made
		errs[i], index[r.Key()] = ErrExists, i
	}
	var k Key
	return errs, ask(ctx, t, s.said.open, l, func() { errs[index[k]] = nil }, &k.Name, &k.ID)
}

// ask sends rows with a statement that returns a row for each that it wrote: it is
// read into dst, and written is called.
func ask(ctx context.Context, t group.Conn, statement string, l group.Columns, written func(), dst ...any) (err error) {
	rows, err := t.QueryContext(ctx, statement, l.Args()...)
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
