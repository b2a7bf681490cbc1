package metrics_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	colmetricspb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"

	"github.com/musterdev/muster/platform/telemetry/metrics"
	"github.com/musterdev/muster/platform/telemetry/metrics/otlptest"
	"github.com/musterdev/muster/problem"
)

// clock is a time that a test sets.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }

var start = time.UnixMilli(1_700_000_000_000)

func open(t testing.TB, dir string, cfg metrics.Config) *metrics.DB {
	t.Helper()
	db, err := metrics.Open(dir, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// send appends metrics of a service, all of which must be kept.
func send(t testing.TB, db *metrics.DB, service string, list ...*metricspb.Metric) {
	t.Helper()
	rejected, why, err := db.Append(context.Background(), otlptest.Request(service, service+"-1", list...))
	if err != nil || rejected != 0 {
		t.Fatalf("%d rejected: %s; error %v", rejected, why, err)
	}
}

// ask returns what a query gives: a line a series.
func ask(t testing.TB, db *metrics.DB, query string, at time.Time) string {
	t.Helper()
	list, err := db.Query(context.Background(), query, at)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, s := range list {
		fmt.Fprintf(&b, "%s %v\n", s.Labels, s.Points[0].Value)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func TestWhatIsAppendedIsFound(t *testing.T) {
	c := &clock{start}
	db := open(t, t.TempDir(), metrics.Config{Now: c.Now})
	for i := range 13 {
		c.now = start.Add(time.Duration(i) * 5 * time.Second)
		send(t, db, "orders",
			otlptest.Counter("requests", "", otlptest.Number(c.now, float64(10*i), "code", 200)),
			otlptest.Histogram("latency", "s", otlptest.Cumulative, otlptest.Buckets(c.now, float64(i), []float64{0.1, 1}, []uint64{uint64(9 * i), uint64(i), 0})))
	}
	for query, want := range map[string]string{
		`requests_total`:                `{__name__="requests_total", code="200", instance="orders-1", job="orders"} 120`,
		`sum(rate(requests_total[1m]))`: `{} 2`,
		`histogram_quantile(0.5, rate(latency_seconds_bucket[1m]))`: `{instance="orders-1", job="orders"} 0.05555555555555556`,
		`1+1`:    `{} 2`,
		`absent`: ``,
	} {
		if got := ask(t, db, query, c.now); got != want {
			t.Errorf("%s:\n%s\nwant\n%s", query, got, want)
		}
	}
	list, err := db.Range(context.Background(), `requests_total`, start, c.now, 30*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	want := []metrics.Point{{Time: start.UnixMilli(), Value: 0}, {Time: start.UnixMilli() + 30_000, Value: 60}, {Time: start.UnixMilli() + 60_000, Value: 120}}
	if len(list) != 1 || fmt.Sprint(list[0].Points) != fmt.Sprint(want) || list[0].Labels.Get("job") != "orders" {
		t.Errorf("range: %v, want %v", list, want)
	}
	s := db.Stats()
	if s.Series != 6 || s.Received != 26 || s.Stored != 26 || s.Samples != 13*6 || len(s.Rejected) != 0 || !s.Oldest.Equal(start) || s.Bytes == 0 {
		t.Errorf("stats: %+v", s)
	}
}

// TestTheFirstErrorOfACounterIsSeen is why a new counter gets a zero before its first value.
func TestTheFirstErrorOfACounterIsSeen(t *testing.T) {
	c := &clock{start}
	db := open(t, t.TempDir(), metrics.Config{Now: c.Now})
	at := func(v float64, code int) *metricspb.NumberDataPoint { return otlptest.Number(c.now, v, "code", code) }
	send(t, db, "orders", otlptest.Counter("requests", "", at(7, 200)))
	c.now = start.Add(5 * time.Second)
	send(t, db, "orders", otlptest.Counter("requests", "", at(8, 200), at(1, 500)))
	c.now = start.Add(10 * time.Second)
	send(t, db, "orders", otlptest.Counter("requests", "", at(9, 200), at(1, 500)))
	if got := ask(t, db, `increase(requests_total{code="500"}[1m]) > 0`, c.now); !strings.Contains(got, `code="500"`) {
		t.Errorf("the first error is not in the increase: %q", got)
	}
}

func TestPointsAreRefusedOneByOne(t *testing.T) {
	c := &clock{start}
	db := open(t, t.TempDir(), metrics.Config{Now: c.Now})
	send(t, db, "a", otlptest.Gauge("g", "", otlptest.Number(start, 1)))
	rejected, why, err := db.Append(context.Background(), otlptest.Request("a", "a-1", otlptest.Gauge("g", "",
		otlptest.Number(start, 1),                      // the same again is no harm
		otlptest.Number(start, 2),                      // but another value for the time is
		otlptest.Number(start.Add(-5*time.Minute), 3),  // late, within bounds
		otlptest.Number(start.Add(-15*time.Minute), 3), // too late
		otlptest.Number(start.Add(15*time.Minute), 3),  // a clock that is wrong
		otlptest.Number(start.Add(time.Second), 4))))
	want := "1: another value for the same time is there; 1: its time is ahead of this machine's clock; 1: too old (g)"
	if rejected != 3 || why != want || err != nil {
		t.Errorf("%d, %q, %v; want 3, %q", rejected, why, err, want)
	}
	if got := ask(t, db, "g", start.Add(-4*time.Minute)); !strings.HasSuffix(got, " 3") {
		t.Errorf("the late one: %q", got)
	}
	if s := db.Stats(); s.Received != 7 || s.Stored != 4 || s.Rejected["too old"] != 1 {
		t.Errorf("stats: %+v", s)
	}
}

// TestLabelsThatExplode lets one service make up series without end: it gets its limit,
// and others are not touched.
func TestLabelsThatExplode(t *testing.T) {
	c := &clock{start}
	dir := t.TempDir()
	cfg := metrics.Config{Now: c.Now, SeriesPerService: 100, Series: 150}
	db := open(t, dir, cfg)
	explode := func(service string, from, n int) (int64, string) {
		var points []*metricspb.NumberDataPoint
		for i := range n {
			points = append(points, otlptest.Number(c.now, 1, "user.id", from+i))
		}
		rejected, why, err := db.Append(context.Background(), otlptest.Request(service, service+"-1", otlptest.Gauge("by_user", "", points...)))
		if err != nil {
			t.Fatal(err)
		}
		return rejected, why
	}
	if n, why := explode("bad", 0, 250); n != 150 || !strings.Contains(why, "service bad has its limit of 100 series") || !strings.Contains(why, "by_user") {
		t.Errorf("%d rejected: %s", n, why)
	}
	c.now = c.now.Add(time.Second)
	if n, why := explode("bad", 0, 100); n != 0 {
		t.Errorf("%d of the series that are there were rejected: %s", n, why)
	}
	if n, why := explode("good", 0, 60); n != 10 || !strings.Contains(why, "all services together have the limit of 150 series") {
		t.Errorf("%d rejected: %s", n, why)
	}
	list := db.Cardinality()
	if len(list) != 2 || list[0].Service != "bad" || list[0].Series != 100 || list[0].Rejected != 150 || list[0].Limit != 100 ||
		list[0].Metrics[0] != (metrics.MetricCardinality{Metric: "by_user", Series: 100, Rejected: 150}) {
		t.Errorf("cardinality: %+v", list)
	}
	if got := ask(t, db, "count(by_user)", c.now); got != "{} 150" {
		t.Errorf("there are %s", got)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = open(t, dir, cfg) // which is no way out
	c.now = c.now.Add(time.Second)
	if n, _ := explode("bad", 1000, 1); n != 1 {
		t.Error("after a restart the limit is forgotten")
	}
	c.now = c.now.Add(2 * time.Hour) // none of the old ones goes on
	if err := metrics.Maintain(db); err != nil {
		t.Fatal(err)
	}
	if n, why := explode("bad", 1000, 10); n != 0 {
		t.Errorf("%d were rejected although the old ones are over: %s", n, why)
	}
}

func TestOneProcessAtATime(t *testing.T) {
	dir := t.TempDir()
	open(t, dir, metrics.Config{})
	if _, err := metrics.Open(dir, metrics.Config{}); err == nil || !strings.Contains(err.Error(), "is in use by another process") {
		t.Errorf("opened twice: %v", err)
	}
}

// TestWhatIsBroken breaks the log and a block, and opens the database.
func TestWhatIsBroken(t *testing.T) {
	c := &clock{start}
	dir := t.TempDir()
	db := open(t, dir, metrics.Config{Now: c.Now})
	for range 5 * 60 { // hours, so that blocks are made
		c.now = c.now.Add(time.Minute)
		send(t, db, "a", otlptest.Gauge("g", "", otlptest.Number(c.now, 1)))
	}
	if err := metrics.Maintain(db); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	blocks, err := filepath.Glob(filepath.Join(dir, "0*"))
	if err != nil || len(blocks) == 0 {
		t.Fatalf("no blocks were made: %v", err)
	}
	if err := os.WriteFile(filepath.Join(blocks[0], "index"), []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	segments, err := filepath.Glob(filepath.Join(dir, "wal", "0*"))
	if err != nil || len(segments) == 0 {
		t.Fatalf("there is no log: %v", err)
	}
	broken := 0
	for _, segment := range segments {
		log, err := os.ReadFile(segment)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(bytes.TrimRight(log, "\x00")); n > 200 && broken == 0 {
			broken = n
			log[n*3/4] ^= 0xff
			if err := os.WriteFile(segment, log, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	if broken == 0 {
		t.Fatal("the log is empty")
	}
	var said bytes.Buffer
	db = open(t, dir, metrics.Config{Now: c.Now, Log: slog.New(slog.NewTextHandler(&said, nil))})
	if got := ask(t, db, "count_over_time(g[5h])", c.now); got == "" {
		t.Error("all is lost")
	}
	send(t, db, "a", otlptest.Gauge("g", "", otlptest.Number(c.now.Add(time.Minute), 2)))
	if _, err := os.Stat(blocks[0] + ".corrupt"); err != nil {
		t.Errorf("the block is not set aside: %v", err)
	}
	if !strings.Contains(said.String(), "set aside") || !strings.Contains(strings.ToLower(said.String()), "corruption") {
		t.Errorf("it is not said:\n%s", said.String())
	}
}

func TestRetention(t *testing.T) {
	c := &clock{start}
	db := open(t, t.TempDir(), metrics.Config{Now: c.Now, Retention: 24 * time.Hour})
	for range 4 * 24 * 6 {
		c.now = c.now.Add(10 * time.Minute)
		send(t, db, "a", otlptest.Gauge("g", "", otlptest.Number(c.now, 1)))
		if c.now.Sub(start)%(6*time.Hour) == 0 {
			if err := metrics.Maintain(db); err != nil {
				t.Fatal(err)
			}
		}
	}
	if age := c.now.Sub(db.Stats().Oldest); age < 24*time.Hour || age > 36*time.Hour {
		t.Errorf("the oldest sample is %s old, want one to one and a half days", age)
	}
}

func TestQueriesThatAreWrong(t *testing.T) {
	db := open(t, t.TempDir(), metrics.Config{})
	ctx := context.Background()
	for _, err := range []error{
		second(db.Query(ctx, "sum(", start)),
		second(db.Query(ctx, `"text"`, start)),
		second(db.Range(ctx, "x", start, start.Add(-time.Second), time.Second)),
		second(db.Range(ctx, "x", start, start, 0)),
		second(db.Range(ctx, "x", start, start.Add(20000*time.Second), time.Second)),
		second(db.Range(ctx, "x[5m]", start, start, time.Second)),
	} {
		if problem.CodeOf(err) != problem.InvalidArgument {
			t.Errorf("%v, want an invalid argument", err)
		}
	}
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := db.Query(canceled, "1", start); err == nil {
		t.Error("a query went on without its caller")
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Query(ctx, "x", start); !errors.Is(err, metrics.ErrClosed) {
		t.Errorf("of a closed database: %v", err)
	}
	if _, _, err := db.Append(ctx, &colmetricspb.ExportMetricsServiceRequest{}); !errors.Is(err, metrics.ErrClosed) {
		t.Errorf("to a closed database: %v", err)
	}
	if s := db.Stats(); s.Series != 0 {
		t.Errorf("stats of a closed database: %+v", s)
	}
}

func second[T any](_ T, err error) error { return err }
