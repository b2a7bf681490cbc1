package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime/pprof"
	"testing"
	"time"

	"github.com/musterdev/muster/bench/sagas"
	"github.com/musterdev/muster/data/saga"
	"github.com/musterdev/muster/drivers/postgres"
	"github.com/musterdev/muster/drivers/postgres/pgtest"
)

func TestScratch(t *testing.T) {
	ctx := context.Background()
	server, err := pgtest.Durable()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Stop()
	db, err := postgres.Driver.Open(ctx, server.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(ctx, `CREATE TABLE plain (id TEXT PRIMARY KEY, body TEXT NOT NULL)`); err != nil {
		t.Fatal(err)
	}
	if err := saga.Migrate(ctx, db); err != nil {
		t.Fatal(err)
	}
	l, err := sagas.Scratch(ctx, db)
	if err != nil {
		t.Fatal(err)
	}
	cpu := serverCPU(server.PID())
	for range 2 {
		for _, w := range []struct {
			name string
			n    int
			do   sagas.Work
		}{{"plain", 512, sagas.CommitOne(db)}, {"light", 512, l}, {"plain1", 1, sagas.CommitOne(db)}, {"light1", 1, l}} {
			var x int64
			_ = db.QueryRow("select xact_commit from pg_stat_database where datname='postgres'").Scan(&x)
			s0, o0 := cpu(), ownCPU()
			var p *exec.Cmd
			if os.Getenv("PROF") == w.name {
				f, _ := os.Create("/tmp/sg-" + w.name + ".prof")
				_ = pprof.StartCPUProfile(f)
			}
			if os.Getenv("PERF") == w.name {
				p = exec.Command("perf", "record", "-a", "-F", "499", "-o", "/tmp/sg.perf", "sleep", "3")
				_ = p.Start()
			}
			m, err := repeat(ctx, w.n, cpu, w.do)
			if err != nil {
				t.Fatal(err)
			}
			if os.Getenv("PROF") == w.name {
				pprof.StopCPUProfile()
			}
			if p != nil {
				_ = p.Wait()
			}
			s, o := cpu()-s0, ownCPU()-o0
			time.Sleep(1200 * time.Millisecond)
			var y int64
			_ = db.QueryRow("select xact_commit from pg_stat_database where datname='postgres'").Scan(&y)
			per := func(d time.Duration) float64 { return float64(d.Microseconds()) / float64(m.done) }
			fmt.Printf("%-7s %7.0f/s  mean %.3f ms  cpu %.0f us (server %.0f own %.0f) commits/unit %.3f\n", w.name, m.rate(), 4000/float64(m.done)*float64(w.n), m.micros(), per(s), per(o), float64(y-x)/float64(m.done))
		}
	}
}
