package webhooktest

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/musterdev/muster/data/datatest/dbtest"
	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/webhook"
)

// liar listens and answers each connection as say does, until the client or the test ends.
func liar(t *testing.T, say func(ctx context.Context, c net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	dbtest.Succeed(t, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	t.Cleanup(func() { cancel(); _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = c.Read(make([]byte, 4096)) // the request
				say(ctx, c)
			}()
		}
	}()
	return "http://" + l.Addr().String()
}

// drip writes text again and again, until nobody listens.
func drip(ctx context.Context, c net.Conn, every time.Duration, text string) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for ctx.Err() == nil {
		if _, err := c.Write([]byte(text)); err != nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

func lies(t *testing.T, open func() *sql.DB) {
	db := open()
	c := local()
	c.Timeout, c.Retry.Attempts = 300*time.Millisecond, 1
	w := hooks(t, db, c)
	running(t, w)
	var visited atomic.Int32
	victim := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { visited.Add(1) }))
	t.Cleanup(victim.Close)
	const ok = "HTTP/1.1 200 OK\r\n"
	for n, tt := range []struct {
		name string
		say  func(ctx context.Context, c net.Conn)
		want webhook.State
		says string
	}{
		{"hangs", func(ctx context.Context, _ net.Conn) { <-ctx.Done() }, webhook.Dead, "no answer within 300ms"},
		{"dribbles its header", func(ctx context.Context, c net.Conn) {
			_, _ = c.Write([]byte(ok))
			drip(ctx, c, 20*time.Millisecond, "X: y\r\n")
		}, webhook.Dead, "no answer within 300ms"},
		{"a header without end", func(ctx context.Context, c net.Conn) {
			_, _ = c.Write([]byte(ok))
			drip(ctx, c, time.Nanosecond, "X: "+strings.Repeat("y", 4000)+"\r\n")
		}, webhook.Dead, "exceeded"},
		{"says yes and dribbles", func(ctx context.Context, c net.Conn) {
			_, _ = c.Write([]byte(ok + "Content-Length: 1000000\r\n\r\n"))
			drip(ctx, c, 20*time.Millisecond, "zzz")
		}, webhook.Delivered, ""},
		{"says yes without end", func(ctx context.Context, c net.Conn) {
			_, _ = c.Write([]byte(ok + "\r\n"))
			drip(ctx, c, time.Nanosecond, strings.Repeat("z", 32<<10))
		}, webhook.Delivered, ""},
		{"a bomb", func(_ context.Context, c net.Conn) {
			_, _ = c.Write([]byte(ok + "Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\n\x1f\x8b\x00"))
		}, webhook.Delivered, ""},
		{"redirects", func(_ context.Context, c net.Conn) {
			_, _ = c.Write([]byte("HTTP/1.1 307 Temporary Redirect\r\nLocation: " + victim.URL + "\r\nContent-Length: 0\r\n\r\n"))
		}, webhook.Dead, "not followed"},
		{"no HTTP", func(_ context.Context, c net.Conn) { _, _ = c.Write([]byte("220 smtp ready\r\n")) }, webhook.Dead, "malformed HTTP"},
		{"hangs up", func(context.Context, net.Conn) {}, webhook.Dead, "EOF"},
	} {
		id, _ := endpoint(t, w, liar(t, tt.say))
		appended(t, db, w, "", event(n))
		var d webhook.Delivery
		dbtest.Eventually(t, tt.name, func() bool {
			list := deliveries(t, w, webhook.Filter{Endpoint: id})
			d = list[0]
			return d.State != webhook.Waiting
		})
		if d.State != tt.want || !strings.Contains(d.Error, tt.says) {
			t.Errorf("%s: %+v", tt.name, d)
		}
		if d.TookMS > 3000 || len(d.Answer) > 600 {
			t.Errorf("%s: it took %d ms, and %d bytes are kept", tt.name, d.TookMS, len(d.Answer))
		}
		dbtest.Succeed(t, w.Delete(t.Context(), id))
	}
	dbtest.Want(t, "visits elsewhere", visited.Load(), 0)
}

// Endpoints that hang have their share of the workers, and the others go on.
func isolated(t *testing.T, open func() *sql.DB) {
	db := open()
	c := local()
	c.Workers, c.PerEndpoint, c.Timeout = 8, 4, dbtest.Patience
	w := hooks(t, db, c)
	var hanging atomic.Int32
	release := make(chan struct{})
	hang := liar(t, func(context.Context, net.Conn) { hanging.Add(1); <-release })
	for range 6 {
		id, _ := endpoint(t, w, hang, "slow.*")
		dbtest.Execute(t, db, `UPDATE muster_webhook_endpoint SET failures = 1 WHERE id = $1`, id)
	}
	p := newPartner(t)
	endpoint(t, w, p.URL)
	const events = 20
	for n := range events {
		slow := event(n)
		slow.Topic = "slow.ones"
		slow.Source = "/slow"
		appended(t, db, w, "", slow)
	}
	stop := running(t, w)
	dbtest.Eventually(t, "the share of those that fail", func() bool { return hanging.Load() == 4 })
	began := time.Now()
	for n := range events {
		appended(t, db, w, "", event(n))
	}
	until(t, w, webhook.Delivered, events)
	if took := time.Since(began); took > dbtest.Patience/2 {
		t.Errorf("it took %s beside endpoints that hang", took)
	}
	dbtest.Want(t, "posts to those that hang", hanging.Load(), 4)
	dbtest.Execute(t, db, `DELETE FROM muster_webhook_delivery`)
	close(release)
	stop()
}

// Endpoints that say yes as late as they may do not fail, and have no more than the share of those that do.
func slow(t *testing.T, open func() *sql.DB) {
	t.Parallel() // it waits most of the time
	db := open()
	c := local()
	c.Workers, c.PerEndpoint, c.Timeout = 8, 4, dbtest.Patience/2
	w := hooks(t, db, c)
	const late = 6
	var hanging atomic.Int32
	release := make(chan struct{})
	end := sync.OnceFunc(func() { close(release) })
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		wait := time.NewTimer(c.Timeout / 9)
		defer wait.Stop()
		if hanging.Add(1) <= late {
			<-wait.C
		} else {
			<-release
		}
	}))
	t.Cleanup(func() { end(); s.Close() })
	for range late {
		endpoint(t, w, s.URL, "slow.*")
	}
	p := newPartner(t)
	endpoint(t, w, p.URL)
	slow := event(0)
	slow.Topic, slow.Source = "slow.ones", "/slow"
	appended(t, db, w, "", slow)
	stop := running(t, w)
	until(t, w, webhook.Delivered, late)
	const events = 20
	for n := range events {
		slow.ID = fmt.Sprint("more-", n)
		appended(t, db, w, "", slow)
	}
	dbtest.Eventually(t, "the share of those that are slow", func() bool { return hanging.Load() == late+4 })
	began := time.Now()
	for n := range events {
		appended(t, db, w, "", event(n))
	}
	until(t, w, webhook.Delivered, late+events)
	if took := time.Since(began); took > c.Timeout/2 {
		t.Errorf("it took %s beside endpoints that are slow", took)
	}
	dbtest.Want(t, "posts to those that are slow", hanging.Load(), late+4)
	dbtest.Execute(t, db, `DELETE FROM muster_webhook_delivery`)
	end()
	stop()
}

func inside(t *testing.T, open func() *sql.DB) {
	db := open()
	c := local()
	c.Allow, c.Retry.Attempts = nil, 1
	w := hooks(t, db, c)
	var visited atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { visited.Add(1) }))
	t.Cleanup(s.Close)
	if _, _, err := w.Create(t.Context(), webhook.Endpoint{URL: s.URL, Topics: []string{"orders.*"}}); err == nil || !strings.Contains(err.Error(), "127.0.0.1, which is not an address of the public Internet") {
		t.Errorf("an address inside: %v", err)
	}
	endpoint(t, w, strings.Replace(s.URL, "127.0.0.1", "localhost", 1)) // that it is inside shows when it is dialed
	running(t, w)
	appended(t, db, w, "", event(1))
	until(t, w, webhook.Dead, 1)
	if d := deliveries(t, w, webhook.Filter{})[0]; !strings.Contains(d.Error, "not one of the public Internet") {
		t.Errorf("%+v", d)
	}
	dbtest.Want(t, "visits", visited.Load(), 0)
}

func rolledBack(t *testing.T, open func() *sql.DB) {
	db := open()
	w := hooks(t, db, local())
	endpoint(t, w, "http://127.0.0.1:1/")
	err := tx.Do(t.Context(), db, func(ctx context.Context, tx *sql.Tx) error {
		n, err := w.Append(ctx, tx, "", event(1))
		dbtest.Want(t, "endpoints", n, 1)
		if err != nil {
			return err
		}
		return fmt.Errorf("no")
	})
	if err == nil || len(deliveries(t, w, webhook.Filter{})) != 0 {
		t.Errorf("appended by a transaction that was rolled back: %v", err)
	}
}
