// Package compare measures how far a copy of data is from what it was copied from, and has it
// repaired: a read model from its source, a table that a service keeps of another's rows, a
// database that change data capture follows.
//
// A copy that is fed by events is behind for a moment, always. That is not what is looked for:
// what counts as divergence is a row that stands still at the source, has had the time to come
// ([Comparison.Settled]), and yet is not at the copy as it should be. A lost event, a bug of a
// handler or a person with a database client leave such rows, and no event will ever mend them.
//
// Each side tells the checksums of its rows in ranges of keys, so that rows themselves need
// not travel; it may be a table ([Table]) or another service's, over HTTP ([Handler], [Remote]). A
// check takes some ranges and goes on where the one before ended, so that many cheap checks
// come to compare every row.
package compare

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"
)

// Row is a row's key and the checksum of all that must be equal. Of equal rows it is equal, and of others as good as never.
type Row struct {
	Key string `json:"key"`
	Sum uint64 `json:"sum,string"`
}

// Range are the rows behind After, up to Upto and including it, as far as Limit goes.
type Range struct {
	After string // "": from the beginning
	Upto  string // "": to the end
	Limit int    // 1 to MostRows
}

// MostRows is the largest range.
const MostRows = 10000

// Side tells rows in the order of their keys' bytes, each key once and none empty. It must be safe for concurrent use.
type Side interface {
	Rows(ctx context.Context, r Range) ([]Row, error)
}

// Kind is how a copy differs in a row.
type Kind string

// The kinds of differences.
const (
	Missing Kind = "missing" // the source has it, the copy does not
	Extra   Kind = "extra"   // the copy has it, the source does not
	Differs Kind = "differs" // both have it, and it is not the same
)

// Difference is a row that differs.
type Difference struct {
	Key  string `json:"key"`
	Kind Kind   `json:"kind"`
}

// Comparison is a copy and what it was copied from. Its fields must not change once it is used; of its
// methods one at a time may be called.
type Comparison struct {
	Name         string // of the copy, in logs
	Source, Copy Side
	// Settled returns when all that had happened at the source when it was called is at
	// the copy, as far as events bring it there: see projection.Projection.WaitFor. An error ends the check. nil: the
	// second look comes after Pause.
	Settled func(ctx context.Context) error
	Pause   time.Duration // before the second look where Settled is nil; 0: 2 s
	// Repair makes the copy's rows what the source has now; deleting those that it
	// does not. It is called with at most Rows of them. nil: they are only told.
	Repair func(ctx context.Context, rows []Difference) error
	Rows   int // of a range; 0: 500
	Ranges int // of a check; 0: 20; below 0: all there are
	Log    *slog.Logger

	cursor string // after which the next check begins
}

// Report is what a check found.
type Report struct {
	Began    time.Time     `json:"began"`
	Took     time.Duration `json:"took_ns"`
	Compared int           `json:"compared"`  // rows of the source
	InFlight int           `json:"in_flight"` // rows that differed, and were right, or had changed again, at the second look
	Repaired int           `json:"repaired"`
	Missing  int           `json:"missing"`
	Extra    int           `json:"extra"`
	Differs  int           `json:"differs"`
	Rows     []Difference  `json:"rows"`  // the first 100 of them
	Whole    bool          `json:"whole"` // the check came to the end: the next one begins anew
}

// Diverged is the number of rows that differ.
func (r Report) Diverged() int { return r.Missing + r.Extra + r.Differs }

// ErrOrder says that a side does not tell its rows in the order of their keys' bytes.
var ErrOrder = errors.New(`compare: the rows are not in the order of their keys' bytes, each key once: order by the key, on PostgreSQL by key COLLATE "C"`)

const (
	defaultRows   = 500
	defaultRanges = 20
	defaultPause  = 2 * time.Second
	mostTold      = 100
)

// Check compares the next ranges, and has what diverged repaired. An error leaves the report of what was done until then;
// the next check tries the same range again.
func (c *Comparison) Check(ctx context.Context) (Report, error) {
	r := Report{Began: time.Now(), Rows: []Difference{}}
	limit, ranges := cmp.Or(c.Rows, defaultRows), cmp.Or(c.Ranges, defaultRanges)
	if c.Source == nil || c.Copy == nil || limit < 1 || limit > MostRows {
		return r, fmt.Errorf("compare: %s: a Source, a Copy and 1 to %d Rows a range are needed", c.Name, MostRows)
	}
	for i := 0; !r.Whole && (ranges < 0 || i < ranges); i++ {
		next, err := c.next(ctx, &r, limit)
		r.Took = time.Since(r.Began)
		if err != nil {
			return r, fmt.Errorf("compare: %s after %q: %w", c.Name, c.cursor, err)
		}
		c.cursor, r.Whole = next, next == ""
	}
	if r.Diverged() > 0 && c.Log != nil {
		c.Log.ErrorContext(ctx, "a copy is not what it was copied from", "copy", c.Name, "missing", r.Missing, "extra", r.Extra, "differs", r.Differs, "repaired", r.Repaired, "compared", r.Compared, "first", r.Rows[0].Key)
	}
	return r, nil
}

// Run checks again and again until ctx ends, with a pause of every between two checks, and hands what was
// found to told, which may be nil. An error of a check is logged, and told with the report.
func (c *Comparison) Run(ctx context.Context, every time.Duration, told func(Report, error)) {
	for ctx.Err() == nil {
		r, err := c.Check(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil && c.Log != nil {
			c.Log.WarnContext(ctx, "a copy could not be compared", "copy", c.Name, "error", err)
		}
		if told != nil {
			told(r, err)
		}
		if pause(ctx, every) != nil {
			return
		}
	}
}

// next compares the range behind the cursor, and returns where the following one begins; "" at the end.
func (c *Comparison) next(ctx context.Context, r *Report, limit int) (next string, err error) {
	ours, err := read(ctx, c.Source, Range{After: c.cursor, Limit: limit})
	if err != nil {
		return "", fmt.Errorf("the source: %w", err)
	}
	if len(ours) == limit {
		next = ours[limit-1].Key
	}
	theirs, end, err := all(ctx, c.Copy, Range{After: c.cursor, Upto: next, Limit: limit})
	if err != nil {
		return "", fmt.Errorf("the copy: %w", err)
	}
	if end != "" { // it has far more than the source
		ours, next = until(ours, end), end
	}
	r.Compared += len(ours)
	first := differences(ours, theirs)
	if len(first) == 0 {
		return next, nil
	}
	if err := c.settle(ctx); err != nil {
		return "", err
	}
	standing, err := c.again(ctx, first, sums(ours), Range{After: c.cursor, Upto: next, Limit: limit})
	if err != nil {
		return "", err
	}
	r.InFlight += len(first) - len(standing)
	return next, c.found(ctx, r, standing)
}

// again looks a second time, and returns the differences that stand.
func (c *Comparison) again(ctx context.Context, first []Difference, before map[string]uint64, at Range) ([]Difference, error) {
	theirs, end, err := all(ctx, c.Copy, at) // the copy first: what changes between the two looks is not taken for old
	if err != nil {
		return nil, fmt.Errorf("the copy: %w", err)
	}
	ours, far, err := all(ctx, c.Source, at)
	if err != nil {
		return nil, fmt.Errorf("the source: %w", err)
	}
	for _, e := range []string{end, far} {
		if e != "" { // what is behind it is looked at another time
			ours, theirs = until(ours, e), until(theirs, e)
		}
	}
	return stood(first, before, sums(ours), differences(ours, theirs)), nil
}

// all reads a range page by page. end is the last key that was read where there was too much.
func all(ctx context.Context, s Side, r Range) (rows []Row, end string, err error) {
	for {
		some, err := read(ctx, s, r)
		if err != nil {
			return nil, "", err
		}
		rows = append(rows, some...)
		if len(some) < r.Limit {
			return rows, "", nil
		}
		r.After = some[len(some)-1].Key
		if r.After == r.Upto {
			return rows, "", nil
		}
		if len(rows) > MostRows {
			return rows, r.After, nil
		}
	}
}

// until drops what is behind a key.
func until(rows []Row, end string) []Row {
	return slices.DeleteFunc(slices.Clone(rows), func(r Row) bool { return r.Key > end })
}

// read is one page, in order.
func read(ctx context.Context, s Side, r Range) ([]Row, error) {
	rows, err := s.Rows(ctx, r)
	if err != nil {
		return nil, err
	}
	last := r.After
	for i, row := range rows {
		if i >= r.Limit || row.Key <= last || r.Upto != "" && row.Key > r.Upto {
			return nil, fmt.Errorf("%w: %q came behind %q", ErrOrder, row.Key, last)
		}
		last = row.Key
	}
	return rows, nil
}

func (c *Comparison) settle(ctx context.Context) error {
	if c.Settled == nil {
		return pause(ctx, cmp.Or(c.Pause, defaultPause))
	}
	if err := c.Settled(ctx); err != nil {
		return fmt.Errorf("the copy does not catch up: %w", err)
	}
	return nil
}

// found counts what diverged and has it repaired.
func (c *Comparison) found(ctx context.Context, r *Report, standing []Difference) error {
	for _, d := range standing {
		switch d.Kind {
		case Missing:
			r.Missing++
		case Extra:
			r.Extra++
		case Differs:
			r.Differs++
		}
		if len(r.Rows) < mostTold {
			r.Rows = append(r.Rows, d)
		}
	}
	if len(standing) == 0 || c.Repair == nil {
		return nil
	}
	if err := c.Repair(ctx, standing); err != nil {
		return fmt.Errorf("the repair: %w", err)
	}
	r.Repaired += len(standing)
	return nil
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
