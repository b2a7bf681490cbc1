//go:build unix

package store_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/musterdev/muster/platform/telemetry/signal"
	"github.com/musterdev/muster/platform/telemetry/store"
)

const childDir = "MUSTER_TEST_STORE_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		appendForever(dir)
	}
	os.Exit(m.Run())
}

// appendForever is the child: it says which batch was kept, after it was, until it is killed.
func appendForever(dir string) {
	s, err := store.Open(dir, store.Config{BlockRows: 500, SealIdle: time.Millisecond})
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	go func() { _ = s.Run(context.Background()) }()
	first, _ := strconv.Atoi(os.Getenv("FIRST"))
	for n := first; ; n++ {
		if err := s.Append(context.Background(), batchNo(n)); err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
		fmt.Println("kept", n)
	}
}

// batchNo returns the batch of a number: seven spans and two records, of two services.
func batchNo(n int) (b signal.Batch) {
	for i := range 7 {
		b.Spans = append(b.Spans, signal.Span{
			Trace: signal.TraceID{0: 1, 12: byte(n >> 16), 13: byte(n >> 8), 14: byte(n)}, ID: signal.SpanID{7: byte(i + 1)},
			Service: "s" + strconv.Itoa(i%2), Name: "work", Start: int64(n)*1000 + int64(i),
			Attributes: signal.Attributes{{Key: "n", Value: signal.IntValue(int64(n))}},
		})
	}
	for i := range 2 {
		b.Logs = append(b.Logs, signal.Log{Time: int64(n)*1000 + int64(i), Service: "s0", Body: strconv.Itoa(n)})
	}
	return b
}

// A process is killed twenty times while it appends and seals: all that it was told is
// kept is there, each once, and nothing is there in part.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	kept := 0 // batches below are there
	for round := range 20 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childDir+"="+dir, "FIRST="+strconv.Itoa(kept))
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			what, rest, _ := strings.Cut(lines.Text(), " ")
			if what != "kept" {
				t.Fatalf("the child says %s %s", what, rest)
			}
			last, err := strconv.Atoi(rest)
			if err != nil {
				t.Fatal(err)
			}
			kept = last + 1
			if n == 50+11*round {
				_ = cmd.Process.Kill()
			}
		}
		_ = cmd.Wait()
		kept = checkBatches(t, dir, kept)
	}
	t.Logf("%d batches were kept", kept)
}

// checkBatches opens the store and returns how many batches it has: all that were
// acknowledged, and perhaps one more.
func checkBatches(t *testing.T, dir string, kept int) int {
	t.Helper()
	s, err := store.Open(dir, store.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if d := s.Damage(); d.Blocks > 0 || d.Records > 1 {
		t.Fatalf("damage after a kill: %+v", d)
	}
	spans, logs := map[int64]int{}, map[string]int{}
	for sp, err := range s.Spans(t.Context(), signal.SpanQuery{}) {
		if err != nil {
			t.Fatal(err)
		}
		spans[int64(sp.Attributes[0].Value.Number)]++
	}
	for l, err := range s.Logs(t.Context(), signal.LogQuery{}) {
		if err != nil {
			t.Fatal(err)
		}
		logs[l.Body]++
	}
	if len(spans) != kept && len(spans) != kept+1 || len(logs) != len(spans) {
		t.Fatalf("there are spans of %d and records of %d batches; %d were acknowledged", len(spans), len(logs), kept)
	}
	for n := range len(spans) {
		if spans[int64(n)] != 7 || logs[strconv.Itoa(n)] != 2 {
			t.Fatalf("batch %d has %d spans and %d records", n, spans[int64(n)], logs[strconv.Itoa(n)])
		}
	}
	return len(spans)
}
