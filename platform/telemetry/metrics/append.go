package metrics

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/prometheus/prometheus/storage"
	colmetricspb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"

	"github.com/musterdev/muster/platform/telemetry/metrics/sample"
)

// Append keeps the points of an OTLP request. What it kept survives the death of the
// process at any moment after it returned, and is found at once. It returns how many
// points were rejected and, in words, why; all others are kept. With an error, ErrFull
// for one, nothing is kept, and the same request may be sent again.
//
// Of one thing tsdb does not tell: a late sample for a time at which its series has
// another value is left out, and counts as kept.
func (db *DB) Append(ctx context.Context, req *colmetricspb.ExportMetricsServiceRequest) (rejected int64, why string, err error) {
	if err := db.enterToWrite(); err != nil {
		return 0, "", err
	}
	defer db.leave()
	defer recovered(&err)
	b := db.begin(ctx)
	defer b.abandon()
	done := db.otlp.Points(req, db.cfg.Now(), b.point, db.meta.set)
	kept := false
	defer func() { done(kept) }()
	if err := b.end(); err != nil {
		return 0, "", err
	}
	kept = true
	rejected, why = b.rejected()
	return rejected, why, nil
}

// appendScraped keeps what was scraped.
func (db *DB) appendScraped(ctx context.Context, points []sample.Point, metas map[string]sample.Meta) (rejected int64, why string, err error) {
	if err := db.enterToWrite(); err != nil {
		return 0, "", err
	}
	defer db.leave()
	defer recovered(&err)
	for name, m := range metas {
		db.meta.set(name, m)
	}
	b := db.begin(ctx)
	defer b.abandon()
	for i := range points {
		b.point(&points[i])
	}
	if err := b.end(); err != nil {
		return 0, "", err
	}
	rejected, why = b.rejected()
	return rejected, why, nil
}

// batch is one commit.
type batch struct {
	db      *DB
	app     storage.Appender
	ended   bool
	fresh   []bool
	points  int64
	samples int64
	refused map[string]int64 // points, by reason
	metrics map[string]int64 // the same points, by metric
}

func (db *DB) begin(ctx context.Context) *batch {
	return &batch{db: db, app: db.tsdb.Appender(context.WithoutCancel(ctx)), refused: map[string]int64{}, metrics: map[string]int64{}}
}

// point appends a point, or counts it as refused.
func (b *batch) point(p *sample.Point) {
	if !p.Extra {
		b.points++
	}
	if p.Refused != "" {
		b.refuse(p, p.Refused)
		return
	}
	var why string
	if b.fresh, why = b.db.guard.admit(p, b.fresh); why != "" {
		b.refuse(p, why)
		return
	}
	for i := range p.Samples {
		if err := b.sample(&p.Samples[i], b.fresh[i]); err != nil {
			b.refuse(p, reason(err))
			return
		}
	}
}

func (b *batch) sample(s *sample.Sample, fresh bool) error {
	if fresh && s.Zero > 0 && s.Zero < s.Time {
		_, _ = b.app.Append(0, s.Labels, s.Zero, 0) // a help for rate(), not a promise
	}
	var ref storage.SeriesRef
	var err error
	if s.Histogram != nil {
		ref, err = b.app.AppendHistogram(0, s.Labels, s.Time, nil, s.Histogram)
	} else {
		ref, err = b.app.Append(0, s.Labels, s.Time, s.Value)
	}
	if err != nil {
		return err
	}
	b.samples++
	for _, e := range s.Exemplars {
		_, _ = b.app.AppendExemplar(ref, s.Labels, e) // late or double ones are no loss
	}
	return nil
}

func (b *batch) refuse(p *sample.Point, why string) {
	if p.Extra {
		return
	}
	b.refused[why]++
	b.metrics[p.Metric]++
}

// end commits. When that fails the log has a torn record, after which tsdb would write
// on, and of which it would find nothing when it starts again: so nothing is written any
// more before the log is mended.
func (b *batch) end() error {
	b.db.writing.Lock()
	defer b.db.writing.Unlock()
	b.ended = true
	if b.db.use.isBroken() {
		return errors.Join(ErrFull, b.app.Rollback())
	}
	broken := true // also when it panics
	defer func() {
		if broken {
			b.db.use.setBroken()
		}
	}()
	if err := b.app.Commit(); err != nil {
		return explain(err)
	}
	broken = false
	b.db.counts.add(b)
	return nil
}

// abandon gives up a batch that did not come to its end, because something panicked: tsdb
// would wait for it for ever.
func (b *batch) abandon() {
	if !b.ended {
		_ = b.app.Rollback() // what panicked is told
	}
}

// rejected sums up what was refused.
func (b *batch) rejected() (n int64, why string) {
	var reasons []string
	for _, r := range slices.Sorted(maps.Keys(b.refused)) {
		n += b.refused[r]
		if len(reasons) < 10 {
			reasons = append(reasons, fmt.Sprintf("%d: %s", b.refused[r], r))
		}
	}
	if n == 0 {
		return 0, ""
	}
	names := slices.Sorted(maps.Keys(b.metrics))
	if more := len(names) - 5; more > 0 {
		names = append(names[:5], fmt.Sprintf("and %d more", more))
	}
	return n, strings.Join(reasons, "; ") + " (" + strings.Join(names, ", ") + ")"
}

// reason says in words why tsdb refuses a sample.
func reason(err error) string {
	switch {
	case errors.Is(err, storage.ErrOutOfBounds), errors.Is(err, storage.ErrTooOldSample):
		return "too old"
	case errors.Is(err, storage.ErrOutOfOrderSample):
		return "older than the newest of its series"
	case errors.Is(err, storage.ErrDuplicateSampleForTimestamp):
		return "another value for the same time is there"
	}
	return err.Error()
}
