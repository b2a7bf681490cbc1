//go:build linux

package metrics_test

import (
	"context"
	"crypto/sha512"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"

	"github.com/musterdev/muster/platform/telemetry/metrics"
	"github.com/musterdev/muster/platform/telemetry/metrics/otlptest"
)

// smallDisk mounts a disk of some MiB, which only root may.
func smallDisk(t *testing.T, mib int) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%dm", mib)); err != nil {
		t.Skipf("no small disk can be mounted, which takes root: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// fill takes all that is free of a disk, but for some bytes.
func fill(t *testing.T, dir string, but int) (file string) {
	t.Helper()
	file = filepath.Join(dir, "filler")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	chunk := make([]byte, 4096)
	size := int64(0)
	for err == nil {
		var n int
		n, err = f.Write(chunk)
		size += int64(n)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	if err := f.Truncate(size - int64(but)); err != nil {
		t.Fatal(err)
	}
	return file
}

// many makes points of so many series.
func many(at time.Time, n int, v float64) *metricspb.Metric {
	points := make([]*metricspb.NumberDataPoint, n)
	for i := range points {
		points[i] = otlptest.Number(at, v, "id", fmt.Sprintf("%x", sha512.Sum512([]byte{byte(i), byte(i >> 8)})))
	}
	return otlptest.Gauge("g", "", points...)
}

// TestLittleRoom has less room than the reserve: nothing is taken until there is more.
func TestLittleRoom(t *testing.T) {
	dir := smallDisk(t, 32)
	c := &clock{start}
	db := open(t, filepath.Join(dir, "db"), metrics.Config{Now: c.Now, Reserve: 8 << 20})
	send(t, db, "a", many(c.now, 10, 1))
	file := fill(t, dir, 1<<20)
	c.now = c.now.Add(time.Second)
	if _, _, err := db.Append(context.Background(), otlptest.Request("a", "a-1", many(c.now, 10, 2))); !errors.Is(err, metrics.ErrFull) {
		t.Errorf("on a disk that is almost full: %v", err)
	}
	if err := metrics.Maintain(db); !errors.Is(err, metrics.ErrFull) {
		t.Errorf("maintained: %v", err)
	}
	if got := ask(t, db, "sum(g)", c.now); got != "{} 10" {
		t.Errorf("sum %s", got)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	c.now = c.now.Add(time.Second)
	send(t, db, "a", many(c.now, 10, 2))
}

// TestNoRoom fills the disk so fast that the reserve does not help. What was acknowledged
// before and after is there, also after a restart.
func TestNoRoom(t *testing.T) {
	dir := smallDisk(t, 32)
	for round, but := range []int{0, 10_000, 40_000, 70_000} {
		c := &clock{start}
		path := filepath.Join(dir, fmt.Sprint("db", round))
		cfg := metrics.Config{Now: c.Now, Reserve: 1}
		db := open(t, path, cfg)
		send(t, db, "a", many(c.now, 10, 1))
		file := fill(t, dir, but)
		full := 0
		kept := c.now
		for range 20 {
			c.now = c.now.Add(time.Second)
			_, _, err := db.Append(context.Background(), otlptest.Request("a", "a-1", many(c.now, 1000, 2)))
			switch {
			case err == nil:
				kept = c.now
			case errors.Is(err, metrics.ErrFull):
				full++
			default:
				t.Fatal(err)
			}
		}
		if full == 0 {
			t.Fatal("the disk was not full")
		}
		_ = kept
		_ = metrics.Maintain(db)
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		for range 5 {
			c.now = c.now.Add(time.Second)
			send(t, db, "a", many(c.now, 1000, 3))
		}
		want := ask(t, db, "sum(count_over_time(g[1h]))", c.now)
		if err := db.Close(); err != nil {
			t.Error(err)
		}
		db = open(t, path, cfg)
		if got := ask(t, db, "sum(g)", c.now); got != "{} 3000" {
			t.Errorf("%d free: after a restart the sum is %q, want 3000", but, got)
		}
		if got := ask(t, db, "sum(count_over_time(g[1h]))", c.now); got != want {
			t.Errorf("%d free: after a restart there are %s samples, before %s", but, got, want)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
	}
}
