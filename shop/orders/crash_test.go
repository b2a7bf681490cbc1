package orders

import (
	"crypto/rand"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/data/inbox"
	"github.com/musterdev/muster/data/parking"
	"github.com/musterdev/muster/problem"
	"github.com/musterdev/muster/shop/events"
	"github.com/musterdev/muster/shop/internal/engines"
	"github.com/musterdev/muster/shop/internal/process"
)

// A story is a way that an order goes.
type story struct {
	name    string
	prepare func(t *testing.T, w *world)            // before anything
	placed  func(t *testing.T, w *world, id string) // between the order and the first step of its saga
	at      func(t *testing.T, w *world, moment string) error
	state   string
	sold    int64 // of p-1001, in the end
}

func stories() []story {
	return []story{
		{name: "good", state: confirmed, sold: 3},
		{name: "declined", state: failed, prepare: func(_ *testing.T, w *world) { w.poor = true }},
		{name: "cancelled", state: failed, placed: func(t *testing.T, w *world, id string) {
			t.Helper()
			if _, err := (&orders{db: w.db}).cancel(t.Context(), id); err != nil {
				t.Error(err)
			}
		}},
		{name: "held too long", state: failed, at: func(t *testing.T, w *world, moment string) error {
			t.Helper()
			if moment != "before do sell" {
				return nil
			}
			return w.lapse(t.Context())
		}},
	}
}

// tell runs one order through a story, in which at each moment strike is asked, and
// checks how it ends.
func (s story) tell(t *testing.T, w *world, strike func(r *replica, moment string) error) {
	t.Helper()
	gate := make(chan struct{})
	w.strikes(func(r *replica, moment string) error {
		<-gate
		if s.at != nil {
			if err := s.at(t, w, moment); err != nil {
				return err
			}
		}
		return strike(r, moment)
	})
	if s.prepare != nil {
		s.prepare(t, w)
	}
	r := w.start()
	cart := "c-" + rand.Text()
	w.fill(cart, 3)
	before := w.sold(t)
	id := r.order(t, cart)
	if s.placed != nil {
		s.placed(t, w, id)
	}
	close(gate)
	o := w.ended(t, id)
	if o.State != s.state {
		t.Errorf("the order is %s (%s), want %s", o.State, o.Reason, s.state)
	}
	if sold := w.sold(t) - before; sold != s.sold {
		t.Errorf("%d pieces are sold, want %d", sold, s.sold)
	}
	if left := w.left(cart); (left == 0) != (s.state == confirmed) {
		t.Errorf("the order is %s and the cart has %d lines", o.State, left)
	}
}

// moments returns those that a story comes through.
func (s story) moments(t *testing.T, open func() *sql.DB) (seen []string) {
	t.Helper()
	t.Run("undisturbed", func(t *testing.T) {
		var mu sync.Mutex
		s.tell(t, newWorld(t, open), func(_ *replica, moment string) error {
			mu.Lock()
			defer mu.Unlock()
			if !slices.Contains(seen, moment) {
				seen = append(seen, moment)
			}
			return nil
		})
	})
	return seen
}

// At every moment of every story the process dies; another replica goes on from what
// it left, and the story ends as it would have.
func TestACrashAtAnyMomentIsResumed(t *testing.T) {
	for _, s := range stories() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel() // it waits most of the time
			engines.Each(t, migrations, func(t *testing.T, open func() *sql.DB) {
				t.Parallel()
				moments := s.moments(t, open)
				if len(moments) < 8 {
					t.Fatalf("it comes only through %s", moments)
				}
				t.Logf("%d moments: %s", len(moments), strings.Join(moments, ", "))
				for _, at := range moments {
					t.Run(at, func(t *testing.T) {
						w := newWorld(t, open)
						var dead sync.Once
						s.tell(t, w, func(r *replica, moment string) (err error) {
							if moment == at {
								dead.Do(func() {
									r.process.Kill()
									err = errors.New("killed")
									go func() { // the story goes on with it
										r.process.Stop() // the dead one's last statements
										if err := process.Expire(t.Context(), w.db); err != nil {
											t.Error(err)
										}
										w.start()
									}()
								})
							}
							return err
						})
					})
				}
			})
		})
	}
}

// At every moment something fails: before its effect, or so that its answer is lost.
// Nobody dies, and the story ends as it would have.
func TestAFaultAtEveryMomentIsRepeated(t *testing.T) {
	for _, s := range stories() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel() // it waits most of the time
			engines.Each(t, migrations, func(t *testing.T, open func() *sql.DB) {
				t.Parallel()
				var mu sync.Mutex
				struck := map[string]bool{}
				s.tell(t, newWorld(t, open), func(_ *replica, moment string) error {
					mu.Lock()
					defer mu.Unlock()
					if struck[moment] {
						return nil
					}
					struck[moment] = true
					if strings.HasPrefix(moment, "after") {
						return problem.New(problem.DeadlineExceeded, "the answer is lost")
					}
					return problem.New(problem.Unavailable, "away for a moment")
				})
				mu.Lock()
				defer mu.Unlock()
				if len(struck) < 8 {
					t.Errorf("it came only through %v", struck)
				}
			})
		})
	}
}

// The shopper cancels at every moment of an order. What was answered holds: cancelled,
// and all is undone, or too late, and the order is carried out.
func TestCancellingAtAnyMoment(t *testing.T) {
	engines.Each(t, migrations, func(t *testing.T, open func() *sql.DB) {
		answers := map[problem.Code]int{}
		for _, at := range stories()[0].moments(t, open) {
			t.Run(at, func(t *testing.T) {
				w := newWorld(t, open)
				shopper := &orders{db: w.db}
				placed := make(chan string, 1)
				var once sync.Once
				cancelled := make(chan error, 1)
				w.strikes(func(_ *replica, moment string) error {
					if moment == at { // beside it: within a transaction it would wait for that
						once.Do(func() {
							go func() {
								_, err := shopper.cancel(t.Context(), <-placed)
								cancelled <- err
							}()
						})
					}
					return nil
				})
				r := w.start()
				cart := "c-" + rand.Text()
				w.fill(cart, 3)
				id := r.order(t, cart)
				placed <- id
				o := w.ended(t, id)
				err := <-cancelled
				answers[problem.CodeOf(err)]++
				switch problem.CodeOf(err) {
				case "":
					if o.State != failed || o.Reason != "cancelled by the shopper" {
						t.Errorf("cancelled, and %s: %s", o.State, o.Reason)
					}
				case problem.Conflict:
					if o.State != confirmed {
						t.Errorf("too late to cancel (%v), and %s: %s", err, o.State, o.Reason)
					}
				default:
					t.Error(err)
				}
				if _, again := shopper.cancel(t.Context(), o.ID); problem.CodeOf(again) != problem.CodeOf(err) {
					t.Errorf("the repeated cancellation is answered %v, the first was %v", again, err)
				}
			})
		}
		if answers[""] == 0 || answers[problem.Conflict] == 0 {
			t.Errorf("answers: %v; both are to come", answers)
		}
	})
}

// What comes twice, late, for no order, or garbled changes nothing and holds up nobody.
func TestStrangeEvents(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := w.start()
		w.fill("c-1", 2)
		w.fill("c-2", 2)
		id := r.order(t, "c-1")
		w.ended(t, id)

		// The same event once more, and late ones of the other kind.
		late, err := events.PaymentDeclined.Msg(t.Context(), id, events.Refusal{Order: id, Reason: "late"})
		if err != nil {
			t.Fatal(err)
		}
		late.Source = "/test"
		handler := inbox.Once(r.db, events.PaymentDeclined, r.onDeclined)
		for range 2 {
			if err := handler(t.Context(), bus.Delivery{Msg: late, Group: "orders", Count: 1}); err != nil {
				t.Error(err)
			}
		}
		if o := w.ended(t, id); o.State != confirmed {
			t.Errorf("%+v", o)
		}

		garbled, unknown := late, late
		garbled.ID, garbled.Key, garbled.Data = "garbled", "o-garbled", []byte(`{"order":`)
		unknown.ID, unknown.Key, unknown.Data = "unknown", "o-unknown", []byte(`{"order":"o-unknown","reason":"x"}`)
		for _, res := range w.broker.Publish(t.Context(), []bus.Msg{garbled, unknown}) {
			if res.Err != nil {
				t.Fatal(res.Err)
			}
		}
		store, err := parking.New(w.db)
		if err != nil {
			t.Fatal(err)
		}
		parked := func(key string) parking.Entry {
			list, err := store.List(t.Context(), parking.Filter{Key: key})
			if err != nil || len(list) == 0 {
				return parking.Entry{}
			}
			return list[0]
		}
		wait(t, "dead: the garbled event", func() bool { return parked("o-garbled").Dead })
		wait(t, "parked: the event of no order", func() bool { return parked("o-unknown").Attempts > 0 })
		for key, want := range map[string]string{"o-garbled": "payments.declined", "o-unknown": "saga"} {
			if p := parked(key); !strings.Contains(p.Error, want) {
				t.Errorf("%s is parked because of %q, which does not name %s", key, p.Error, want)
			}
		}
		if o := w.ended(t, r.order(t, "c-2")); o.State != confirmed {
			t.Errorf("beside them: %+v", o)
		}
	})
}
