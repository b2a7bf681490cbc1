package registry

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/musterdev/muster/call/discovery"
)

func TestClientFollows(t *testing.T) {
	inWorld(t, func(w *world) {
		w.start(Config{})
		c := w.client(discovery.ClientConfig{})
		view := c.View("cart")
		w.expect(view, "")
		leases := hold(c, "cart", 2)
		w.pass(0)
		w.expect(view, "cart-000 cart-001")
		if c.View("cart") != view {
			t.Error("another view of the same service")
		}
		leases[0].SetState(discovery.Starting)
		w.pass(0)
		w.expect(view, "cart-000? cart-001")
		leases[0].Release()
		w.pass(0)
		w.expect(view, "cart-001")
		w.pass(time.Hour)
		w.expect(view, "cart-001")
		if n := w.wire.count("GET /v1/watch"); n > 10+3600/20 {
			t.Errorf("%d watches in an hour of silence, want one each 20 s", n)
		}
	})
}

func TestServiceAddedToTheWatch(t *testing.T) {
	inWorld(t, func(w *world) {
		w.start(Config{})
		c := w.client(discovery.ClientConfig{})
		hold(c, "cart", 1)
		hold(c, "stock", 1)
		cart := c.View("cart")
		w.pass(10 * time.Second) // the watch of cart waits
		stock := c.View("stock")
		w.pass(0)
		w.expect(cart, "cart-000")
		w.expect(stock, "stock-000")
		before := w.wire.count("GET /v1/watch")
		w.pass(0)
		if now := w.wire.count("GET /v1/watch"); now != before || now > 6 {
			t.Errorf("%d, then %d watches", before, now)
		}
	})
}

func TestGapInTheChanges(t *testing.T) {
	inWorld(t, func(w *world) {
		r := w.start(Config{Limits: Limits{History: 4}})
		c := w.client(discovery.ClientConfig{})
		view := c.View("cart")
		hold(c, "cart", 1)
		w.pass(time.Second)
		w.wire.mu.Lock()
		w.wire.refuse = func(req *http.Request) bool { return req.URL.Path == "/v1/watch" }
		w.wire.mu.Unlock()
		w.pass(discovery.DefaultWait) // the watch that waits ends
		hold(c, "cart", 6)[3].Release()
		w.pass(time.Second)
		r.mu.Lock()
		_, complete := r.store.history.since(1, r.store.index)
		r.mu.Unlock()
		if complete {
			t.Fatal("the history still has all; this tests nothing")
		}
		w.expect(view, "cart-000")
		w.wire.mu.Lock()
		w.wire.refuse = nil
		w.wire.mu.Unlock()
		w.pass(time.Second)
		w.expect(view, "cart-000 cart-001 cart-002 cart-004 cart-005")
	})
}

func TestDiskCache(t *testing.T) {
	inWorld(t, func(w *world) {
		dir := filepath.Join(t.TempDir(), "made")
		w.start(Config{})
		c := w.client(discovery.ClientConfig{Dir: dir})
		c.View("cart")
		hold(c, "cart", 2)[1].Release()
		w.pass(2 * time.Second)
		if _, err := os.Stat(filepath.Join(dir, "cart.json")); err != nil {
			t.Fatal(err)
		}
		w.kill()

		// another process starts while the registry is away
		var log bytes.Buffer
		late := w.client(discovery.ClientConfig{Dir: dir, Log: slog.New(slog.NewTextHandler(&log, nil))})
		view := late.View("cart")
		w.expect(view, "cart-000") // at once
		if log.Len() > 0 {
			t.Errorf("log: %s", log.String())
		}
		// it is stale: the registry that comes knows of others
		r := w.start(Config{})
		exchange(r, "PUT", "/v1/instances/new", c1)
		c.Close()
		w.pass(2 * time.Second)
		w.expect(view, "new")

		if err := os.WriteFile(filepath.Join(dir, "cart.json"), []byte(`{"format":1,"service":"cart","inst`), 0o600); err != nil {
			t.Fatal(err)
		}
		w.wire.mu.Lock()
		w.wire.refuse = func(*http.Request) bool { return true } // until the view was seen
		w.wire.mu.Unlock()
		view = w.client(discovery.ClientConfig{Dir: dir, Log: slog.New(slog.NewTextHandler(&log, nil))}).View("cart")
		w.expect(view, "")
		w.wire.mu.Lock()
		w.wire.refuse = nil
		w.wire.mu.Unlock()
		if !strings.Contains(log.String(), filepath.Join(dir, "cart.json")) || !strings.Contains(log.String(), "WARN") {
			t.Errorf("log %q, want a warning with the file's name", log.String())
		}
		w.pass(time.Second)
		w.expect(view, "new")
		if files, err := os.ReadDir(dir); err != nil || len(files) != 1 {
			t.Errorf("the folder has %v, %v", files, err)
		}
	})
}

func TestThousandInstances(t *testing.T) {
	inWorld(t, func(w *world) {
		const n = 1000
		w.start(Config{})
		c := w.client(discovery.ClientConfig{})
		view := c.View("cart")
		leases := hold(c, "cart", n)
		w.pass(3 * time.Second)
		if got := len(view.Instances()); got != n {
			t.Fatalf("%d instances, want %d", got, n)
		}
		w.neverBelow(view, n)
		w.kill()
		w.pass(5 * time.Second)
		w.start(Config{})
		w.pass(10 * time.Second)
		if got := len(view.Instances()); got != n {
			t.Errorf("after a restart %d instances, want %d", got, n)
		}
		leases[500].SetState(discovery.Starting)
		w.pass(0)
		if got := view.Instances()[500]; got.State != discovery.Starting {
			t.Errorf("got %+v", got)
		}
	})
}

// A server's own timeouts are for short answers and do not cut a watch off.
func TestWatchOutlivesTheServersTimeouts(t *testing.T) {
	r, _ := run(t, Config{})
	server := httptest.NewUnstartedServer(r)
	server.Config.ReadTimeout, server.Config.WriteTimeout = 100*time.Millisecond, 100*time.Millisecond
	server.Start()
	defer server.Close()
	began := time.Now()
	res, err := http.Get(server.URL + "/v1/watch?wait=300ms&epoch=" + r.store.epoch)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if c := read[discovery.Changes](t, res); c.Reset || time.Since(began) < 300*time.Millisecond {
		t.Errorf("got %+v after %v", c, time.Since(began))
	}
}

func TestClientOverTheNetwork(t *testing.T) {
	r, _ := run(t, Config{})
	server := httptest.NewServer(r)
	defer server.Close()
	c, err := discovery.NewClient(discovery.ClientConfig{URL: server.URL + "/"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	view := c.View("cart")
	const n = 1000
	for i := range n {
		exchange(r, "PUT", fmt.Sprintf("/v1/instances/i%d", i), c1)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	until(ctx, t, view, func(list []discovery.Instance) bool { return len(list) == n })
	lease := c.Hold(instance("cart", "last", discovery.Ready))
	until(ctx, t, view, func(list []discovery.Instance) bool { return len(list) == n+1 })
	lease.Release()
	until(ctx, t, view, func(list []discovery.Instance) bool { return len(list) <= n })
	if err := c.Drain(ctx, "nobody"); err == nil || !strings.Contains(err.Error(), "nobody") {
		t.Errorf("order to a stranger: %v", err)
	}
}

func until(ctx context.Context, t *testing.T, view *discovery.View, ok func([]discovery.Instance) bool) {
	t.Helper()
	for {
		changed := view.Changed()
		list := view.Instances()
		if ok(list) {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			t.Fatalf("the view shows %d instances", len(list))
		}
	}
}

func TestSettingsReachTheCallers(t *testing.T) {
	inWorld(t, func(w *world) {
		dir := w.TempDir()
		file := filepath.Join(dir, "registry.json")
		w.start(Config{File: file})
		c := w.client(discovery.ClientConfig{Dir: dir})
		cart, stock := c.View("cart"), c.View("stock")
		set := func(service, text string) {
			w.Helper()
			if err := c.Set(w.Context(), service, discovery.Settings(text)); err != nil {
				w.Fatal(err)
			}
			w.pass(0)
		}
		expect := func(v *discovery.View, want string) {
			w.Helper()
			if got := string(v.Settings()); got != want {
				w.Errorf("settings %q, want %q", got, want)
			}
		}
		set("cart", ` {"timeout": "1s"} `) // of a service that nobody has seen yet
		expect(cart, `{"settings":{"timeout":"1s"}}`)
		expect(stock, "")
		hold(c, "cart", 1)
		set("stock", `{"hedge":{}}`)
		expect(cart, `{"settings":{"timeout":"1s"}}`)
		expect(stock, `{"settings":{"hedge":{}}}`)
		w.expect(cart, "cart-000")

		// The registry's restart forgets nothing; neither does the caller while it is away.
		w.pass(time.Second)
		w.kill()
		w.pass(time.Minute)
		expect(cart, `{"settings":{"timeout":"1s"}}`)
		w.start(Config{File: file})
		w.pass(2 * time.Second)
		expect(stock, `{"settings":{"hedge":{}}}`)
		set("stock", "")
		expect(stock, "")
		w.kill()
		expect(w.client(discovery.ClientConfig{Dir: dir}).View("cart"), `{"settings":{"timeout":"1s"}}`)
	})
}
