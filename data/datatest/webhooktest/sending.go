package webhooktest

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/data/datatest/dbtest"
	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/webhook"
)

func readerOf(body []byte) io.Reader { return bytes.NewReader(body) }

func once(t *testing.T, open func() *sql.DB) {
	db := open()
	w := hooks(t, db, local())
	p := newPartner(t)
	endpoint(t, w, p.URL)
	endpoint(t, w, p.URL, "payments.*", "orders.confirmed")
	endpoint(t, w, p.URL, "orders.failed")
	_, _, err := w.Create(t.Context(), webhook.Endpoint{URL: p.URL, Topics: []string{"orders.*"}, Tenant: "acme"})
	dbtest.Succeed(t, err)
	dbtest.Together(4, func(int) {
		if err := w.Handle(t.Context(), bus.Delivery{Msg: event(1)}); err != nil && !tx.IsRetryable(err) {
			t.Error(err)
		}
	})
	running(t, w)
	until(t, w, webhook.Delivered, 2)
	dbtest.Want(t, "of a tenant's event: endpoints", appended(t, db, w, "acme", event(2)), 3)
	dbtest.Want(t, "of a topic that nobody wants: endpoints", appended(t, db, w, "", bus.Msg{ID: "x", Source: "/s", Topic: "cart.filled"}), 0)
	until(t, w, webhook.Delivered, 5)
	dbtest.Want(t, "posts", len(p.posts()), 5)
	for _, got := range p.posts() {
		dbtest.Want(t, "topic", got.event.Topic, "orders.confirmed")
		dbtest.Want(t, "what is for the own services", got.event.Key, "")
		dbtest.Want(t, "encoding", got.header.Get("Content-Type"), "application/cloudevents+json")
	}
	if _, err := w.Append(t.Context(), nil, "", bus.Msg{}); err == nil {
		t.Error("an event that is none was appended")
	}
}

func rotated(t *testing.T, open func() *sql.DB) {
	db := open()
	w := hooks(t, db, local())
	p := newPartner(t)
	id, old := endpoint(t, w, p.URL)
	running(t, w)
	appended(t, db, w, "", event(1))
	until(t, w, webhook.Delivered, 1)
	fresh, err := w.Rotate(t.Context(), id, 0, by())
	dbtest.Succeed(t, err)
	appended(t, db, w, "", event(2))
	until(t, w, webhook.Delivered, 2)
	only, err := w.Rotate(t.Context(), id, -1, by())
	dbtest.Succeed(t, err)
	appended(t, db, w, "", event(3))
	until(t, w, webhook.Delivered, 3)
	for i, good := range [][3]bool{{true, false, false}, {true, true, false}, {false, false, true}} {
		got := p.posts()[i]
		for j, secret := range []webhook.Secret{old, fresh, only} {
			if err := webhook.Verify(got.header, got.body, time.Now(), secret); (err == nil) != good[j] {
				t.Errorf("post %d, secret %d: %v", i+1, j+1, err)
			}
		}
	}
	if _, err := w.Rotate(t.Context(), "ep-none", 0, by()); err == nil || !strings.Contains(err.Error(), "no endpoint") {
		t.Errorf("of nobody: %v", err)
	}
}

func triedAgain(t *testing.T, open func() *sql.DB) {
	db := open()
	w := hooks(t, db, local())
	p := newPartner(t, 500, 400, 200)
	id, _ := endpoint(t, w, p.URL)
	running(t, w)
	appended(t, db, w, "", event(1))
	until(t, w, webhook.Delivered, 1)
	posts := p.posts()
	dbtest.Want(t, "posts", len(posts), 3)
	dbtest.Want(t, "the id of a repetition", posts[2].id, posts[0].id)
	d := deliveries(t, w, webhook.Filter{Endpoint: id})[0]
	dbtest.Want(t, "attempts", d.Attempts, 3)
	dbtest.Want(t, "status", d.Status, 200)
	e := look(t, w, id)
	dbtest.Want(t, "failures in a row", e.Failures, 0)
	if e.OK.IsZero() || !e.Failing.IsZero() || e.Status != 400 || e.Error != "it answered Bad Request" {
		t.Errorf("%+v", e)
	}
}

func leftAlone(t *testing.T, open func() *sql.DB) {
	db := open()
	c := local()
	c.RetryAfter = 30 * time.Minute
	w := hooks(t, db, c)
	p := newPartner(t, 429)
	p.header.Set("Retry-After", "86400")
	id, _ := endpoint(t, w, p.URL)
	running(t, w)
	appended(t, db, w, "", event(1))
	dbtest.Eventually(t, "a failure", func() bool { return look(t, w, id).Failures == 1 })
	appended(t, db, w, "", event(2)) // is not tried either
	e := look(t, w, id)
	if alone := time.Until(e.Resumes); alone < 25*time.Minute || alone > 31*time.Minute {
		t.Errorf("left alone for %s, want the most that is allowed", alone)
	}
	dbtest.Succeed(t, w.Enable(t.Context(), id, false, by())) // a person knows better
	dbtest.Eventually(t, "another post", func() bool { return len(p.posts()) > 1 })
}

func givenUp(t *testing.T, open func() *sql.DB) {
	db := open()
	c := local()
	c.Retry.Attempts = 2
	w := hooks(t, db, c)
	p := newPartner(t, 500, 302, 204)
	p.header.Set("Location", "http://127.0.0.1:1/elsewhere")
	id, _ := endpoint(t, w, p.URL)
	running(t, w)
	appended(t, db, w, "", event(1))
	until(t, w, webhook.Dead, 1)
	appended(t, db, w, "", event(2))
	until(t, w, webhook.Delivered, 1)
	dbtest.Want(t, "posts", len(p.posts()), 3)
	d := deliveries(t, w, webhook.Filter{State: webhook.Dead})[0]
	if d.Attempts != 2 || d.Status != 302 || !strings.Contains(d.Error, `a redirect to "http://127.0.0.1:1/elsewhere", which is not followed`) {
		t.Errorf("%+v", d)
	}
	dbtest.Want(t, "dead of the endpoint", look(t, w, id).Dead, 1)
}

func gone(t *testing.T, open func() *sql.DB) {
	db := open()
	c := local()
	var told atomic.Pointer[webhook.Endpoint]
	c.Disabled = func(ctx context.Context, t tx.Tx, e webhook.Endpoint) error {
		told.Store(&e)
		_, err := t.ExecContext(ctx, `UPDATE muster_webhook_endpoint SET description = 'told' WHERE id = $1`, e.ID)
		return err
	}
	w := hooks(t, db, c)
	p := newPartner(t, 410, 200)
	id, _ := endpoint(t, w, p.URL)
	running(t, w)
	appended(t, db, w, "", event(1))
	dbtest.Eventually(t, "the endpoint to be disabled", func() bool { return look(t, w, id).Disabled == "it answered 410 Gone" })
	until(t, w, webhook.Dead, 1)
	dbtest.Want(t, "told", told.Load().ID, id)
	dbtest.Want(t, "in the same transaction", look(t, w, id).Description, "told")
	dbtest.Want(t, "endpoints of a later event", appended(t, db, w, "", event(2)), 1)
	dbtest.Want(t, "waiting", look(t, w, id).Waiting, 1)
	dbtest.Succeed(t, w.Enable(t.Context(), id, false, by()))
	until(t, w, webhook.Delivered, 1)
	dbtest.Want(t, "the one that waited", p.posts()[1].event.ID, "e-2")
	dbtest.Succeed(t, w.Disable(t.Context(), id, by()))
	appended(t, db, w, "", event(3))
	dbtest.Succeed(t, w.Enable(t.Context(), id, true, by()))
	until(t, w, webhook.Dead, 2)
	dbtest.Want(t, "posts", len(p.posts()), 2)
}

func disabled(t *testing.T, open func() *sql.DB) {
	db := open()
	c := local()
	var refuse atomic.Bool
	var told atomic.Int32
	refuse.Store(true)
	c.Disabled = func(context.Context, tx.Tx, webhook.Endpoint) error {
		told.Add(1)
		if refuse.Load() {
			return errors.New("the mail is away")
		}
		return nil
	}
	w := hooks(t, db, c)
	p := newPartner(t, 500)
	id, _ := endpoint(t, w, p.URL)
	dbtest.Execute(t, db, `UPDATE muster_webhook_endpoint SET failures = 9, failing_since = 1 WHERE id = $1`, id)
	stop := running(t, w)
	appended(t, db, w, "", event(1))
	dbtest.Eventually(t, "the hook", func() bool { return told.Load() > 0 })
	dbtest.Want(t, "disabled though the hook failed", look(t, w, id).Disabled, "")
	stop()
	refuse.Store(false)
	dbtest.Execute(t, db, `UPDATE muster_webhook_delivery SET leased_until = 0`)
	running(t, w)
	dbtest.Eventually(t, "the endpoint to be disabled", func() bool { return strings.Contains(look(t, w, id).Disabled, "10 times in a row") })
}

func shared(t *testing.T, open func() *sql.DB) {
	p := newPartner(t)
	var first *webhook.Webhooks
	var db *sql.DB
	for range 3 {
		pool := open()
		w := hooks(t, pool, local())
		if first == nil {
			first, db = w, pool
			endpoint(t, w, p.URL)
			endpoint(t, w, p.URL)
		}
		running(t, w)
	}
	const events = 40
	for n := range events {
		appended(t, db, first, "", event(n))
	}
	until(t, first, webhook.Delivered, 2*events)
	dbtest.Want(t, "posts", len(p.posts()), 2*events)
}

// A replica that was paused, and whose post another is making meanwhile, has no say.
func stale(t *testing.T, open func() *sql.DB) {
	db := open()
	one := local()
	one.PerEndpoint = 1 // so that it does not take over from itself
	first, second := hooks(t, db, one), hooks(t, open(), local())
	began := make(chan int32, 10)
	end := []chan struct{}{make(chan struct{}), make(chan struct{})}
	var posts atomic.Int32
	p := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n := posts.Add(1)
		began <- n
		if n <= 2 {
			<-end[n-1]
		}
		if n == 1 {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	t.Cleanup(p.Close)
	id, _ := endpoint(t, first, p.URL)
	stop := running(t, first)
	appended(t, db, first, "", event(1))
	<-began
	dbtest.Execute(t, db, `UPDATE muster_webhook_delivery SET leased_until = 1`) // as if its time had passed
	running(t, second)
	<-began
	close(end[0])
	stop()
	if d := deliveries(t, second, webhook.Filter{})[0]; d.State != webhook.Waiting || !d.Trying || d.Attempts != 0 || look(t, second, id).Failures != 0 {
		t.Errorf("the first was listened to: %+v", d)
	}
	close(end[1])
	until(t, second, webhook.Delivered, 1)
	dbtest.Want(t, "posts", posts.Load(), 2)
}

func takenOver(t *testing.T, open func() *sql.DB) {
	db := open()
	w := hooks(t, db, local())
	p := newPartner(t)
	endpoint(t, w, p.URL)
	appended(t, db, w, "", event(1))
	dbtest.Execute(t, db, `UPDATE muster_webhook_delivery SET leased_until = 32503680000000, fence = 7`) // in the hands of one that is dead
	appended(t, db, w, "", event(2))
	running(t, w)
	until(t, w, webhook.Delivered, 1)
	dbtest.Want(t, "what another has", deliveries(t, w, webhook.Filter{State: webhook.Waiting})[0].Trying, true)
	dbtest.Execute(t, db, `UPDATE muster_webhook_delivery SET leased_until = 1 WHERE state = 'waiting'`)
	until(t, w, webhook.Delivered, 2)
}

func ends(t *testing.T, open func() *sql.DB) {
	t.Parallel() // it waits most of the time
	db := open()
	c := local()
	c.Timeout = time.Minute
	w := hooks(t, db, c)
	began, end := make(chan struct{}), make(chan struct{})
	p := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { close(began); <-end }))
	t.Cleanup(func() { close(end); p.Close() })
	endpoint(t, w, p.URL)
	stop := running(t, w)
	appended(t, db, w, "", event(1))
	<-began
	at := time.Now()
	stop()
	if took := time.Since(at); took > dbtest.Patience/2 {
		t.Errorf("it took %s to end", took)
	}
	d := deliveries(t, w, webhook.Filter{})[0]
	if d.State != webhook.Waiting || d.Trying || d.Attempts != 0 {
		t.Errorf("what was cut off is not given back: %+v", d)
	}
}
