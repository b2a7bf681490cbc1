//go:build unix

package store_test

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/musterdev/muster/platform/telemetry/signal"
	"github.com/musterdev/muster/platform/telemetry/store"
)

// fill appends so many spans by batches of 5,000 and returns the last.
func fill(tb testing.TB, s *store.Store, tr *traffic, spans int) (last signal.Span) {
	tb.Helper()
	var batch []signal.Span
	for n := 0; n < spans; n += len(batch) {
		batch = tr.traces(batch[:0], 500)
		if err := s.Append(context.Background(), signal.Batch{Spans: batch}); err != nil {
			tb.Fatal(err)
		}
		last = batch[len(batch)/2]
	}
	return last
}

// diskUse returns the bytes of the files below a folder.
func diskUse(tb testing.TB, dir string) (n int64) {
	tb.Helper()
	err := filepath.Walk(dir, func(_ string, info os.FileInfo, err error) error {
		if err == nil && !info.IsDir() {
			n += info.Size()
		}
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	return n
}

// cpu returns the processor time that this process has used.
func cpu(tb testing.TB) time.Duration {
	tb.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkAppend measures all that becomes of a span until it is in a block.
func BenchmarkAppend(b *testing.B) {
	s, err := store.Open(b.TempDir(), store.Config{HeadBytes: 32 << 20})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	const batch = 5000
	var batches [][]signal.Span
	tr := newTraffic()
	for range 8 {
		batches = append(batches, tr.traces(nil, batch/10))
	}
	b.ReportAllocs()
	n, before := 0, cpu(b)
	for b.Loop() {
		if err := s.Append(context.Background(), signal.Batch{Spans: batches[n%len(batches)]}); err != nil {
			b.Fatal(err)
		}
		n++
	}
	if err := s.Flush(context.Background()); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(n*batch)/(cpu(b)-before).Seconds(), "spans/cpu-s")
}

// BenchmarkQuery measures questions to a million spans in blocks.
func BenchmarkQuery(b *testing.B) {
	dir := b.TempDir()
	s, err := store.Open(dir, store.Config{})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	last := fill(b, s, newTraffic(), 1_000_000)
	if err := s.Flush(context.Background()); err != nil {
		b.Fatal(err)
	}
	var mem runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&mem)
	ctx := context.Background()
	hour := signal.Window{From: time.Unix(0, last.Start).Add(-time.Hour)}
	b.Run("trace", func(b *testing.B) {
		before := cpu(b)
		for b.Loop() {
			if spans, err := s.Trace(ctx, last.Trace); err != nil || len(spans) != 10 {
				b.Fatal(len(spans), err)
			}
		}
		b.ReportMetric(float64((cpu(b)-before).Microseconds())/float64(b.N)/1000, "cpu-ms/op")
		b.ReportMetric(float64(diskUse(b, filepath.Join(dir, "blocks")))/1e6, "B/span")
		b.ReportMetric(float64(mem.HeapInuse)/(1<<20), "MiB-heap")
	})
	for name, q := range map[string]signal.SpanQuery{
		"user":   {Match: []signal.Match{{Key: "user.id", Value: last.Attributes.Text("user.id")}}},
		"order":  {Match: []signal.Match{{Key: "order.id", Value: last.Attributes.Text("order.id")}}},
		"absent": {Match: []signal.Match{{Key: "user.id", Value: "nobody"}}},
		"errors": {Window: hour, Error: true, Service: "service-3"},
		"slow":   {Window: hour, Min: 40 * time.Millisecond, Bare: true},
	} {
		b.Run(name, func(b *testing.B) {
			found, before := 0, cpu(b)
			for b.Loop() {
				for _, err := range s.Spans(ctx, q) {
					if err != nil {
						b.Fatal(err)
					}
					found++
				}
			}
			b.ReportMetric(float64((cpu(b)-before).Microseconds())/float64(b.N)/1000, "cpu-ms/op")
			b.ReportMetric(float64(found)/float64(b.N), "found")
		})
	}
}
