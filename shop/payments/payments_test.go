package payments

import (
	"database/sql"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/data/inbox"
	"github.com/musterdev/muster/data/parking"
	"github.com/musterdev/muster/data/saga"
	"github.com/musterdev/muster/shop/events"
	"github.com/musterdev/muster/shop/internal/engines"
	"github.com/musterdev/muster/shop/internal/process"
)

// A story is a way that the money of order o-1, 750 cents, goes.
type story struct {
	name    string
	poor    bool
	silent  string // the processor says nothing at this moment, once
	ask     func(t *testing.T, w *world)
	answers []string // in the end, in this order
	state   string
}

const inFull = "captured 750 as id of charge/o-1/capture/do"

func request(t *testing.T, w *world) { t.Helper(); w.requests(t, "o-1", 750) }

func askBack(t *testing.T, w *world) { t.Helper(); w.asksBack(t, "o-1") }

// then asks once more after so many answers.
func then(n int, asks ...func(*testing.T, *world)) func(*testing.T, *world) {
	return func(t *testing.T, w *world) {
		t.Helper()
		for i, ask := range asks {
			w.told(t, "o-1", i*n)
			ask(t, w)
		}
	}
}

func stories() []story {
	return []story{
		{name: "captured", ask: request, answers: []string{inFull}, state: captured},
		{name: "captured, asked again", ask: then(1, request, request), answers: []string{inFull, inFull}, state: captured},
		{name: "declined", poor: true, ask: request, answers: []string{"declined: the card was declined"}, state: declined},
		{name: "declined, asked again", poor: true, ask: then(1, request, request), answers: []string{"declined: the card was declined", "declined: the card was declined"}, state: declined},
		{name: "asked back", ask: then(1, request, askBack), answers: []string{inFull, "refunded 750"}, state: refunded},
		{name: "asked back twice", ask: then(1, request, askBack, askBack), answers: []string{inFull, "refunded 750", "refunded 750"}, state: refunded},
		{name: "asked for after that", ask: then(1, request, askBack, request), answers: []string{inFull, "refunded 750", "declined: the order was given up"}, state: refunded},
		{name: "declined and asked back", poor: true, ask: then(1, request, askBack), answers: []string{"declined: the card was declined", "refunded 0"}, state: declined},
		{name: "asked back first", ask: then(1, askBack, request), answers: []string{"refunded 0", "declined: the order was given up"}, state: void},
		{name: "asked back during the charge", ask: then(0, request, askBack), silent: "after /v1/charges", answers: []string{"refunded 750"}, state: refunded},
		{name: "asked back before the charge is done", ask: then(0, request, askBack, askBack), silent: "before /v1/charges", answers: []string{"refunded 750"}, state: refunded},
		{name: "asked back during a charge that is declined", poor: true, ask: then(0, request, askBack), silent: "after /v1/charges", answers: []string{"refunded 0"}, state: declined},
		{name: "silent charge", ask: request, silent: "after /v1/charges", answers: []string{inFull}, state: captured},
		{name: "silent refund", ask: then(1, request, askBack), silent: "after /v1/refunds", answers: []string{inFull, "refunded 750"}, state: refunded},
	}
}

// tell goes through a story, in which at each moment strike is asked, and checks its end.
func (s story) tell(t *testing.T, w *world, strike func(r *replica, moment string) error) {
	t.Helper()
	var once sync.Once
	w.card.poor = s.poor
	w.card.silent = func(moment, _ string) (silent bool) {
		if moment == s.silent {
			once.Do(func() { silent = true })
		}
		return silent
	}
	w.strikes(strike)
	w.start()
	s.ask(t, w)
	if got := w.told(t, "o-1", len(s.answers)); !slices.Equal(got, s.answers) {
		t.Errorf("told is %q, want %q", got, s.answers)
	}
	w.wantState(t, "o-1", s.state)
	if got := w.told(t, "o-1", 0); len(got) != len(s.answers) {
		t.Errorf("told is %q, want %q", got, s.answers)
	}
}

func TestHowMoneyGoes(t *testing.T) {
	for _, s := range stories() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel() // it waits most of the time
			each(t, func(t *testing.T, w *world) { s.tell(t, w, nil) })
		})
	}
}

// fresh forgets order o-1, so that a story can be told again.
func fresh(t *testing.T, w *world) {
	t.Helper()
	for _, table := range []string{"payments", "muster_saga", "muster_saga_step", "muster_outbox", "muster_parked"} {
		if _, err := w.db.ExecContext(t.Context(), `DELETE FROM `+table); err != nil {
			t.Fatal(err)
		}
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

// At every moment of every story the process dies; another replica goes on from what it
// left, and the story ends as it would have.
func TestACrashAtAnyMomentIsResumed(t *testing.T) {
	for _, s := range stories() {
		if s.silent != "" || strings.Contains(s.name, "twice") {
			continue // told above; here it would take long
		}
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			engines.Each(t, migrations, func(t *testing.T, open func() *sql.DB) {
				moments := s.moments(t, open)
				if len(moments) < 4 {
					t.Fatalf("it comes only through %s", moments)
				}
				t.Logf("%d moments: %s", len(moments), strings.Join(moments, ", "))
				for _, at := range moments {
					t.Run(at, func(t *testing.T) {
						w := newWorld(t, open)
						fresh(t, w)
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

// The money is asked back at every moment of a charge. In the end none is kept, and that
// is told.
func TestAskingBackAtAnyMoment(t *testing.T) {
	engines.Each(t, migrations, func(t *testing.T, open func() *sql.DB) {
		for _, at := range stories()[0].moments(t, open) {
			t.Run(at, func(t *testing.T) {
				w := newWorld(t, open)
				fresh(t, w)
				var once sync.Once
				w.strikes(func(_ *replica, moment string) error {
					if moment == at {
						once.Do(func() { w.asksBack(t, "o-1") })
					}
					return nil
				})
				w.start()
				w.requests(t, "o-1", 750)
				wait(t, "told that the money is back", func() bool { return slices.Contains(w.told(t, "o-1", 1), "refunded 750") })
				w.wantState(t, "o-1", refunded)
			})
		}
	})
}

// A refund that the processor refuses stops for a person; when the reason is gone it is
// carried out.
func TestARefusedRefundIsForAPerson(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := w.start()
		w.requests(t, "o-1", 750)
		w.told(t, "o-1", 1)
		w.card.mu.Lock()
		w.card.status = http.StatusConflict
		w.card.mu.Unlock()
		w.asksBack(t, "o-1")
		wait(t, "paused", func() bool {
			d, err := r.process.Engine.Show(t.Context(), "refund", "o-1")
			return err == nil && d.State == saga.Paused && d.Error != ""
		})
		w.card.mu.Lock()
		w.card.status = 0
		w.card.mu.Unlock()
		if err := r.process.Engine.Retry(t.Context(), "refund", "o-1", saga.Note{By: "test", Why: "the processor is mended"}); err != nil {
			t.Fatal(err)
		}
		w.told(t, "o-1", 2)
		w.wantState(t, "o-1", refunded)
	})
}

// The same event once more, which the broker has forgotten, and one that is garbled.
func TestStrangeEvents(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := w.start()
		m, err := events.PaymentRequested.Msg(t.Context(), "o-1", events.PaymentRequest{Order: "o-1", Cents: 750})
		if err != nil {
			t.Fatal(err)
		}
		m.Source = "/orders"
		handler := inbox.Once(r.db, events.PaymentRequested, r.onRequested)
		for range 2 {
			if err := handler(r.process.With(t.Context()), bus.Delivery{Msg: m, Group: "payments", Count: 1}); err != nil {
				t.Error(err)
			}
		}
		if got := w.told(t, "o-1", 1); got[0] != inFull {
			t.Errorf("told is %q", got)
		}
		if err := handler(r.process.With(t.Context()), bus.Delivery{Msg: m, Group: "payments", Count: 2}); err != nil {
			t.Error(err)
		}
		w.wantState(t, "o-1", captured)
		if got := w.told(t, "o-1", 0); len(got) != 1 {
			t.Errorf("told is %q, want one answer to one event", got)
		}
		m.ID, m.Key, m.Data = "garbled", "o-garbled", []byte(`{"order":"o-2","cents":"many"}`)
		if err := w.broker.Publish(t.Context(), []bus.Msg{m})[0].Err; err != nil {
			t.Fatal(err)
		}
		store, err := parking.New(w.db)
		if err != nil {
			t.Fatal(err)
		}
		wait(t, "dead: the garbled event", func() bool {
			dead, err := store.List(t.Context(), parking.Filter{Dead: true})
			return err == nil && len(dead) == 1 && dead[0].Event == "garbled" && strings.Contains(dead[0].Error, "cents")
		})
		w.requests(t, "o-3", 100)
		w.told(t, "o-3", 1)
		w.wantState(t, "o-3", captured)
	})
}

// What the processor tells by itself is taken when it can be so, once or twice, and
// refused when it contradicts what is known. It changes nothing.
func TestWebhooks(t *testing.T) {
	const key, id = `"key":"charge/o-1/capture/do","reference":"o-1",`, `"id":"id of charge/o-1/capture/do",`
	each(t, func(t *testing.T, w *world) {
		r := w.start()
		api := routes(r.payments)
		if err := api.Err(); err != nil {
			t.Fatal(err)
		}
		hook := func(body string, want int) {
			t.Helper()
			req := httptest.NewRequestWithContext(t.Context(), "POST", "/webhooks/card", strings.NewReader("{"+body+"}"))
			req.Header.Set("Content-Type", "application/json")
			rec := httptest.NewRecorder()
			if api.ServeHTTP(rec, req); rec.Code != want {
				t.Errorf("%s: %d %s, want %d", body, rec.Code, rec.Body, want)
			}
		}
		hook(key+id+`"state":"captured","cents":750`, 404) // of no payment
		hook(key+id+`"state":"lost","cents":750`, 400)
		hook(`"reference":"o-1"`, 400)

		w.requests(t, "o-1", 750)
		w.told(t, "o-1", 1)
		for range 2 {
			hook(key+id+`"state":"captured","cents":750`, 204)
		}
		for range 2 { // refused once, refused again
			hook(key+id+`"state":"declined","cents":750`, 409)
			hook(key+id+`"state":"refunded","cents":750`, 409)
		}
		hook(`"key":"other","reference":"o-1","id":"other","state":"captured","cents":750`, 409)
		hook(`"key":"other","reference":"o-1",`+id+`"state":"captured","cents":751`, 409)
		w.wantState(t, "o-1", captured)

		w.asksBack(t, "o-1")
		w.told(t, "o-1", 2)
		hook(`"key":"refund/o-1/repay/do","reference":"o-1","id":"r","state":"refunded","cents":750`, 204)
		w.wantState(t, "o-1", refunded)

		w.asksBack(t, "o-2")
		w.told(t, "o-2", 1)
		hook(`"key":"k2","reference":"o-2","id":"c","state":"captured","cents":0`, 409)
		hook(`"key":"k2","reference":"o-2","id":"c","state":"declined","cents":0`, 409)
	})
}
