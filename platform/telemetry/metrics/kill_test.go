package metrics_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/musterdev/muster/platform/telemetry/metrics"
	"github.com/musterdev/muster/platform/telemetry/metrics/otlptest"
)

// asWriter is the folder of a database, for a test binary that is to fill it.
const asWriter = "MUSTER_TEST_AS_WRITER"

func TestMain(m *testing.M) {
	if dir := os.Getenv(asWriter); dir != "" {
		os.Exit(beWriter(dir))
	}
	os.Exit(m.Run())
}

// beWriter appends a count that goes up, and prints each that was acknowledged, until it
// is killed.
func beWriter(dir string) int {
	db, err := metrics.Open(dir, metrics.Config{})
	if err != nil {
		fmt.Println("failed:", err)
		return 1
	}
	n := 0.0
	list, err := db.Query(context.Background(), "last_over_time(n_total[1h])", time.Now())
	if err != nil {
		fmt.Println("failed:", err)
		return 1
	}
	if len(list) == 1 {
		n = list[0].Points[0].Value
	}
	for {
		n++
		if _, why, err := db.Append(context.Background(), otlptest.Request("a", "a-1", otlptest.Counter("n", "", otlptest.Number(time.Now(), n)))); err != nil || why != "" {
			fmt.Println("failed:", why, err)
			return 1
		}
		fmt.Println(n)
		<-time.After(time.Millisecond)
	}
}

// TestKilled kills a process that writes, again and again: what was acknowledged is there.
func TestKilled(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	rounds := 20
	if testing.Short() {
		rounds = 3
	}
	acknowledged := 0.0
	for round := range rounds {
		cmd := exec.Command(exe)
		cmd.Env = append(os.Environ(), asWriter+"="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for i := 0; lines.Scan(); i++ {
			var n float64
			if _, err := fmt.Sscan(lines.Text(), &n); err != nil || strings.HasPrefix(lines.Text(), "failed") {
				t.Fatal(lines.Text())
			}
			acknowledged = n
			if i == 20+round {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		_ = cmd.Wait()
	}
	db := open(t, dir, metrics.Config{})
	list, err := db.Query(context.Background(), "last_over_time(n_total[1h])", time.Now())
	if err != nil || len(list) != 1 || list[0].Points[0].Value < acknowledged {
		t.Errorf("%v was acknowledged, and there is %v (%v)", acknowledged, list, err)
	}
	if got := ask(t, db, "count_over_time(n_total[1h])", time.Now()); !strings.HasSuffix(got, fmt.Sprint(" ", list[0].Points[0].Value)) {
		t.Errorf("of %v samples there are %s", list[0].Points[0].Value, got)
	}
}
