package saga

import (
	"bytes"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/musterdev/muster/data/saga/internal/rhythm"
	"github.com/musterdev/muster/data/saga/internal/table"
	"github.com/musterdev/muster/data/tx"
)

// away is a database that cannot be reached.
type away struct{ asked atomic.Int64 }

func (a *away) Connect(context.Context) (driver.Conn, error) {
	a.asked.Add(1)
	return nil, errors.New("no route to the database")
}
func (a *away) Driver() driver.Driver            { return a }
func (a *away) Open(string) (driver.Conn, error) { return a.Connect(context.Background()) }
func (a *away) Dialect() string                  { return "sqlite" }

type order struct{ N int }

func local(name string) Local[order] {
	return Local[order]{Name: name, Do: func(context.Context, tx.Tx, *order) error { return nil }, Undo: func(context.Context, tx.Tx, *order) error { return nil }}
}

func remote(name string) Remote[order] {
	return Remote[order]{Name: name, Do: func(context.Context, *order) error { return nil }, Undo: func(context.Context, *order) error { return nil }}
}

func pivot(l Local[order]) Local[order] { l.Pivot, l.Undo = true, nil; return l }

func after(l Local[order]) Local[order] { l.Undo = nil; return l }

func TestNewSaysAllThatIsWrong(t *testing.T) {
	bare, silent, both := local("bare"), local("silent"), local("both")
	bare.Undo, silent.Do, both.NoUndo = nil, nil, true
	slow := remote("slow")
	slow.Timeout = -1
	last := local("last")
	last.Undo = nil
	good := []Step[order]{local("a"), remote("b"), pivot(local("p")), after(local("z"))}
	tests := []struct {
		name  string
		saga  Saga[order]
		wrong []string
	}{
		{"good", Saga[order]{Name: "good", Version: 1, Steps: good}, nil},
		{"the last step is the pivot", Saga[order]{Name: "good", Version: 1, Steps: []Step[order]{local("a"), last}}, nil},
		{"a pivot with Undo", Saga[order]{Name: "good", Version: 1, Steps: []Step[order]{local("a")}}, nil},
		{"versions", Saga[order]{Name: "x", Version: 2, Steps: good, From: []int{2, 0}}, []string{"takes over version 2: only earlier", "takes over version 0: only earlier", "has no Upgrade"}},
		{"upgrade", Saga[order]{Name: "x", Version: 2, Steps: good, Upgrade: func(Old) (string, order, error) { return "a", order{}, nil }}, []string{"has an Upgrade and no From"}},
		{"empty", Saga[order]{}, []string{"the name takes", "version is at least 1", "no steps"}},
		{"names", Saga[order]{Name: "Bad_Name", Version: 1, Steps: []Step[order]{local(""), local("9"), local("a/b"), local(strings.Repeat("a", 51))}}, []string{
			`saga: "Bad_Name" version 1: the name takes`, `step 1, "", has a bad name`, `step 2, "9", has a bad name`, `step 3, "a/b",`, "step 4",
		}},
		{"twice", Saga[order]{Name: "x", Version: 1, Steps: []Step[order]{local("a"), local("a"), local("end")}}, []string{`step 2, "a", has the name of an earlier`, `step 3, "end", has a name that is taken`}},
		{"nil", Saga[order]{Name: "x", Version: 1, Steps: []Step[order]{nil, local("a")}}, []string{"step 1 is empty"}},
		{"pivots", Saga[order]{Name: "x", Version: 1, Steps: []Step[order]{pivot(local("a")), pivot(local("b"))}}, []string{`step 2, "b", is a second pivot`}},
		{"undo", Saga[order]{Name: "x", Version: 1, Steps: []Step[order]{bare, both, pivot(local("p")), local("z")}}, []string{
			`"bare", has no Undo and comes before the pivot "p"`, `"both", has an Undo and says NoUndo`, `"z", comes after the pivot "p"`,
		}},
		{"do", Saga[order]{Name: "x", Version: 1, Steps: []Step[order]{silent, slow}}, []string{`"silent", has no Do`, `"slow", has the timeout -1ns`}},
	}
	for i := range tests {
		tc := &tests[i]
		t.Run(tc.name, func(t *testing.T) {
			_, err := New(sql.OpenDB(new(away)), Config{}, &tc.saga)
			if (err == nil) != (tc.wrong == nil) {
				t.Fatalf("error %v, want %q", err, tc.wrong)
			}
			if err == nil {
				return
			}
			if lines := strings.Split(err.Error(), "\n"); len(lines) != len(tc.wrong) {
				t.Errorf("%d lines, want %d:\n%v", len(lines), len(tc.wrong), err)
			}
			for _, w := range tc.wrong {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%v\ndoes not say %q", err, w)
				}
			}
		})
	}
}

func TestNewRefusesWhatCannotWork(t *testing.T) {
	db := sql.OpenDB(new(away))
	one := func() *Saga[order] { return &Saga[order]{Name: "x", Version: 1, Steps: []Step[order]{local("a")}} }
	later := func(version int) *Saga[order] {
		s := one()
		s.Version, s.From, s.Upgrade = version, []int{1}, func(Old) (string, order, error) { return "a", order{}, nil }
		return s
	}
	taken := one()
	if _, err := New(db, Config{}, taken); err != nil {
		t.Fatal(err)
	}
	for want, try := range map[string]func() (*Engine, error){
		"the database is nil":            func() (*Engine, error) { return New(nil, Config{}, one()) },
		"-1 workers":                     func() (*Engine, error) { return New(db, Config{Workers: -1}, one()) },
		"definition 1 is nil":            func() (*Engine, error) { return New(db, Config{}, nil) },
		`"x" version 1 is defined twice`: func() (*Engine, error) { return New(db, Config{}, one(), one()) },
		`"x" version 2 takes over version 1, which is defined too`: func() (*Engine, error) { return New(db, Config{}, one(), later(2)) },
		`"x" versions 2 and 3 both take over version 1`:            func() (*Engine, error) { return New(db, Config{}, later(2), later(3)) },
		`"x" version 1 belongs to another engine: make`:            func() (*Engine, error) { return New(db, Config{}, taken) },
	} {
		if _, err := try(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func TestKeysTellStepsAndDirectionsApart(t *testing.T) {
	c := Call{Saga: strings.Repeat("s", 50), ID: strings.Repeat("i", 128), Step: strings.Repeat("t", 50)}
	undo := c
	undo.Undo = true
	if c.Key() == undo.Key() || len(undo.Key()) > 255 {
		t.Errorf("%q, %q", c.Key(), undo.Key())
	}
	if got, ok := StepOf(called{t.Context(), c, ""}); !ok || got != c {
		t.Errorf("%+v", got)
	}
	if _, ok := StepOf(t.Context()); ok {
		t.Error("a step out of nowhere")
	}
}

func TestPace(t *testing.T) {
	p := rhythm.Pace{}
	var waits []time.Duration
	for range 7 {
		waits = append(waits, p.Next(table.Window, false, false))
	}
	ms := time.Millisecond
	for i, want := range []time.Duration{50 * ms, 100 * ms, 200 * ms, 400 * ms, 800 * ms, time.Second, time.Second} {
		if waits[i] != want {
			t.Errorf("wait %d: %s, want %s", i+1, waits[i], want)
		}
	}
	for _, tc := range []struct {
		due          time.Duration
		found, blind bool
		want         time.Duration
	}{
		{300 * ms, false, false, 300 * ms}, // something is due then
		{-5 * ms, false, false, 10 * ms},   // and is just locked
		{0, false, true, time.Second},      // not asked
		{table.Window, true, false, 50 * ms},
	} {
		if got := p.Next(tc.due, tc.found, tc.blind); got != tc.want {
			t.Errorf("%+v: %s", tc, got)
		}
	}
	p.Woken()
	if got := p.Next(table.Window, false, false); got != 50*ms {
		t.Errorf("woken: %s", got)
	}
}

// A database that is away is waited for, without haste and not in silence.
func TestADatabaseThatIsAwayIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := new(away)
		db := sql.OpenDB(a)
		defer db.Close()
		var log bytes.Buffer
		e, err := New(db, Config{Log: slog.New(slog.NewTextHandler(&log, nil))}, &Saga[order]{Name: "x", Version: 1, Steps: []Step[order]{local("a")}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := e.Run(ctx); err != nil {
			t.Error(err)
		}
		if n := a.asked.Load(); n < 50 || n > 80 {
			t.Errorf("asked %d times in a minute, want about once a second", n)
		}
		if n := strings.Count(log.String(), "cannot be asked"); n < 5 || n > 9 {
			t.Errorf("said %d times, want each tenth:\n%s", n, &log)
		}
	})
}

func TestRunTwiceAndForNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := sql.OpenDB(new(away))
		defer db.Close()
		e, err := New(db, Config{})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- e.Run(ctx) }()
		synctest.Wait()
		if err := e.Run(ctx); err == nil || !strings.Contains(err.Error(), "running already") {
			t.Errorf("run twice: %v", err)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
