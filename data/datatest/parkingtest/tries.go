package parkingtest

import (
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/data/datatest/dbtest"
	"github.com/musterdev/muster/data/parking"
	"github.com/musterdev/muster/data/tx"
)

func inOrder(t *testing.T, open func() *sql.DB) {
	s, _ := store(t, open)
	park(t, s, "a", "a1", "a2", "a3")
	park(t, s, "b", "b1")
	first := due(t, s, 10)
	dbtest.Want(t, "due", ids(first), "a1 b1")
	dbtest.Want(t, "due while those are tried", ids(due(t, s, 10)), "")
	settle(t, s, first[1], bus.Outcome{Done: true})
	for _, want := range []string{"a2", "a3", ""} {
		settle(t, s, first[0], bus.Outcome{Done: true})
		first = due(t, s, 10)
		dbtest.Want(t, "due", ids(first), want)
		held, err := s.Held(t.Context(), group, "a")
		dbtest.Succeed(t, err)
		dbtest.Want(t, "held", held, want != "")
	}
	held, err := s.Held(t.Context(), "another", "a")
	dbtest.Succeed(t, err)
	dbtest.Want(t, "held for another group", held, false)
}

func keyless(t *testing.T, open func() *sql.DB) {
	s, _ := store(t, open)
	park(t, s, "", "1", "2", "3")
	dbtest.Want(t, "due of two", ids(due(t, s, 2)), "1 2")
	dbtest.Want(t, "the rest", ids(due(t, s, 2)), "3")
	held, err := s.Held(t.Context(), group, "")
	dbtest.Succeed(t, err)
	dbtest.Want(t, "held", held, false)
}

func contents(t *testing.T, open func() *sql.DB) {
	s, _ := store(t, open)
	p := bus.Parked{
		Msg: bus.Msg{
			ID: "1", Source: "/test", Topic: "test.full", Subject: "s ✓", Key: "k '", Time: time.Date(2026, 11, 23, 1, 2, 3, 456789, time.UTC),
			ContentType: "application/octet-stream", Schema: "https://example.org/s", Sequence: "7", Causation: "c", Correlation: "r",
			Extensions: map[string]string{"region": "eu"}, Data: []byte("\x00\xff"),
		},
		Group: group, Attempts: 3, Error: "was \x00 no \xff text " + strings.Repeat("x", 5000),
	}
	dbtest.Succeed(t, s.Park(t.Context(), p))
	got := due(t, s, 1)[0]
	for name, value := range p.Attributes() {
		dbtest.Want(t, name, got.Attributes()[name], value)
	}
	dbtest.Want(t, "data", string(got.Data), string(p.Data))
	dbtest.Want(t, "attempts", got.Attempts, 3)
	dbtest.Want(t, "group", got.Group, group)
	if !strings.HasPrefix(got.Error, "was \uFFFD no \uFFFD text xxx") || len(got.Error) > 2100 {
		t.Errorf("error %q", got.Error)
	}
}

func parkedOnce(t *testing.T, open func() *sql.DB) {
	s, db := store(t, open)
	dbtest.Together(8, func(i int) {
		p := message("a", "1")
		p.Attempts = i + 1
		if err := s.Park(t.Context(), p); err != nil {
			t.Error(err)
		}
	})
	taken := due(t, s, 10)
	dbtest.Want(t, "due", ids(taken), "1")
	settle(t, s, taken[0], bus.Outcome{Dead: true, Error: "boom"})
	park(t, s, "a", "1") // delivered once more
	e := list(t, s, parking.Filter{})
	if len(e) != 1 || !e[0].Dead || e[0].Error != "boom" {
		t.Errorf("it did not stay as it was: %+v", e)
	}
	other, elsewhere := message("a", "1"), message("a", "1")
	other.Group, elsewhere.Source = "mail", "/elsewhere"
	dbtest.Succeed(t, errors.Join(s.Park(t.Context(), other), s.Park(t.Context(), elsewhere)))
	dbtest.Want(t, "rows", dbtest.Value[int](t, db, "SELECT count(*) FROM muster_parked"), 3)
}

// A consumer that lost its lease can say nothing any more.
func leased(t *testing.T, open func() *sql.DB) {
	s, db := store(t, open)
	park(t, s, "a", "a1", "a2")
	old := due(t, s, 1)[0]
	lapse(t, db)
	taken := due(t, another(t, open()), 1)
	dbtest.Want(t, "taken over", ids(taken), "a1")
	for what, err := range map[string]error{
		"done":  s.Settle(t.Context(), old, bus.Outcome{Done: true}),
		"dead":  s.Settle(t.Context(), old, bus.Outcome{Dead: true}),
		"later": s.Settle(t.Context(), old, bus.Outcome{}),
		"kept":  s.Keep(t.Context(), old),
	} {
		if !errors.Is(err, parking.ErrLost) {
			t.Errorf("the old consumer said %s: %v", what, err)
		}
	}
	settle(t, s, taken[0], bus.Outcome{Done: true})
	if err := s.Settle(t.Context(), taken[0], bus.Outcome{Done: true}); !errors.Is(err, parking.ErrLost) {
		t.Errorf("settled twice: %v", err)
	}
	dbtest.Want(t, "the next", ids(due(t, s, 1)), "a2")
	for what, err := range map[string]error{
		"settled": s.Settle(t.Context(), message("a", "a2"), bus.Outcome{}),
		"kept":    s.Keep(t.Context(), message("a", "a2")),
	} {
		if err == nil || !strings.Contains(err.Error(), "did not come from Due") {
			t.Errorf("%s without a lease: %v", what, err)
		}
	}
}

func leasedAtOnce(t *testing.T, open func() *sql.DB) {
	const keys, each = 20, 3
	s, _ := store(t, open)
	for k := range keys {
		for n := range each {
			park(t, s, fmt.Sprint("k", k), fmt.Sprintf("k%d.%d", k, n))
		}
	}
	stores := []*parking.Store{s, another(t, open()), another(t, open())}
	for range each {
		var mu sync.Mutex
		var taken []bus.Parked
		dbtest.Together(6, func(i int) {
			for {
				list, err := stores[i%3].Due(t.Context(), group, 1+i)
				if err != nil {
					t.Error(err)
				}
				if len(list) == 0 {
					return
				}
				mu.Lock()
				taken = append(taken, list...)
				mu.Unlock()
			}
		})
		seen := map[string]bool{}
		for _, p := range taken {
			if seen[p.Key] {
				t.Errorf("%s was leased beside another of its key", p.ID)
			}
			seen[p.Key] = true
			settle(t, stores[rand.IntN(3)], p, bus.Outcome{Done: true})
		}
		dbtest.Want(t, "keys", len(seen), keys)
	}
	dbtest.Want(t, "left", ids(due(t, s, 100)), "")
}

func crashed(t *testing.T, open func() *sql.DB) {
	s, db := store(t, open)
	park(t, s, "a", "1")
	for i := range 3 {
		p := due(t, s, 1)
		dbtest.Want(t, "tries that failed", p[0].Attempts, i)
		dbtest.Want(t, "tries that did not end", p[0].Lost, i)
		lapse(t, db)
	}
	p := due(t, s, 1)[0]
	dbtest.Want(t, "tries that did not end", p.Lost, 3)
	settle(t, s, p, bus.Outcome{Error: "boom"})
	p = due(t, s, 1)[0]
	dbtest.Want(t, "tries that failed", p.Attempts, 4)
	dbtest.Want(t, "tries that did not end since the last that did", p.Lost, 0)
	dbtest.Want(t, "error", p.Error, "boom")
	lapse(t, db)
	p = due(t, s, 1)[0]
	dbtest.Want(t, "tries that did not end", p.Lost, 1)
	settle(t, s, p, bus.Outcome{Dead: true, Error: "boom"})
	dbtest.Succeed(t, s.Redrive(t.Context(), list(t, s, parking.Filter{})[0].ID))
	dbtest.Want(t, "tries that did not end before it was redriven", due(t, s, 1)[0].Lost, 0)
}

// However the engine below carries the statement out, it leases no more than it was
// asked for: who asks has no hands for them.
func bounded(t *testing.T, open func() *sql.DB) {
	s, db := store(t, open)
	park(t, s, "", "0")
	analyze := "ANALYZE " // the planner takes it for a table of one row
	if d, err := tx.DialectOf(db); err == nil && d == tx.MySQL {
		analyze = "ANALYZE TABLE "
	}
	dbtest.Execute(t, db, analyze+"muster_parked")
	for i := range 40 {
		park(t, s, "", fmt.Sprint("m", i))
	}
	for range 10 {
		dbtest.Want(t, "leased", len(due(t, s, 2)), 2)
	}
}

func kept(t *testing.T, open func() *sql.DB) {
	s, db := store(t, open)
	park(t, s, "a", "1")
	p := due(t, s, 1)[0]
	dbtest.Execute(t, db, "UPDATE muster_parked SET leased_until = leased_until - 3900")
	dbtest.Succeed(t, s.Keep(t.Context(), p))
	if left := dbtest.Value[int64](t, db, "SELECT leased_until - parked FROM muster_parked"); left < (parking.Lease - 100*time.Millisecond).Milliseconds() {
		t.Errorf("kept for %d ms after it was parked", left)
	}
	lapse(t, db)
	dbtest.Succeed(t, s.Keep(t.Context(), p)) // lapsed, and taken by nobody
	dbtest.Want(t, "due", ids(due(t, s, 1)), "")
	settle(t, s, p, bus.Outcome{Done: true})
}

func later(t *testing.T, open func() *sql.DB) {
	s, db := store(t, open)
	p := message("a", "1")
	p.Next = time.Now().Add(time.Minute)
	dbtest.Succeed(t, s.Park(t.Context(), p))
	park(t, s, "a", "2")
	soon := message("b", "3")
	soon.Next = time.Now().Add(-time.Minute)
	dbtest.Succeed(t, s.Park(t.Context(), soon))
	dbtest.Want(t, "due", ids(due(t, s, 10)), "3") // 2 waits behind 1
	if next := list(t, s, parking.Filter{})[0].Next; time.Until(next) < 50*time.Second || time.Until(next) > 61*time.Second {
		t.Errorf("next in %s", time.Until(next))
	}
	dbtest.Execute(t, db, "UPDATE muster_parked SET next = 1 WHERE event = '1'")
	first := due(t, s, 1)[0]
	begin := time.Now()
	settle(t, s, first, bus.Outcome{After: 150 * time.Millisecond, Error: "not now"})
	var again []bus.Parked
	dbtest.Eventually(t, "the next try", func() bool {
		again = due(t, s, 1)
		return len(again) > 0
	})
	if took := time.Since(begin); took < 140*time.Millisecond {
		t.Errorf("tried again after %s", took)
	}
	dbtest.Want(t, "tried again", ids(again), "1")
	dbtest.Want(t, "error", again[0].Error, "not now")
}

// Replicas that try, fail and crash handle the messages of a key in their order.
func replicas(t *testing.T, open func() *sql.DB) {
	const keys, each = 6, 12
	s, db := store(t, open)
	stores := []*parking.Store{s, another(t, open()), another(t, open())}
	var mu sync.Mutex
	handled := map[string][]int{}
	done := 0
	var working sync.WaitGroup
	for i := range 6 {
		working.Go(func() {
			for range 100_000 {
				mu.Lock()
				over := done == keys*each
				mu.Unlock()
				if over {
					return
				}
				list, err := stores[i%3].Due(t.Context(), group, 3)
				if err != nil {
					t.Error(err)
					return
				}
				if len(list) == 0 {
					<-time.After(time.Millisecond)
				}
				for _, p := range list {
					switch rand.IntN(8) {
					case 0: // crashes
						if i == 0 {
							if _, err := db.ExecContext(t.Context(), "UPDATE muster_parked SET leased_until = 1 WHERE event = $1 AND consumer = $2", p.ID, p.Group); err != nil {
								t.Error(err)
							}
							continue
						}
						fallthrough
					case 1:
						if err := stores[i%3].Settle(t.Context(), p, bus.Outcome{Error: "boom"}); err != nil {
							t.Error(err)
						}
					default:
						var n int
						if _, err := fmt.Sscanf(p.ID, p.Key+".%d", &n); err != nil {
							t.Error(err)
						}
						mu.Lock()
						handled[p.Key] = append(handled[p.Key], n)
						done++
						mu.Unlock()
						if err := stores[i%3].Settle(t.Context(), p, bus.Outcome{Done: true}); err != nil {
							t.Error(err)
						}
					}
				}
			}
		})
	}
	for n := range each { // others park meanwhile
		for k := range keys {
			park(t, stores[n%3], fmt.Sprint("k", k), fmt.Sprintf("k%d.%d", k, n))
		}
	}
	working.Wait()
	dbtest.Want(t, "handled", done, keys*each)
	for key, order := range handled {
		if !slices.IsSorted(order) || len(order) != each {
			t.Errorf("%s was handled as %v", key, order)
		}
	}
}
