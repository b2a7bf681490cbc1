package mustertest_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/musterdev/muster"
	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/drivers/nats"
	"github.com/musterdev/muster/drivers/otlp"
	"github.com/musterdev/muster/drivers/sqlite"
	"github.com/musterdev/muster/mustertest"
	"github.com/musterdev/muster/shop/card"
	"github.com/musterdev/muster/shop/cart"
	"github.com/musterdev/muster/shop/catalog"
	"github.com/musterdev/muster/shop/inventory"
	"github.com/musterdev/muster/shop/notify"
	"github.com/musterdev/muster/shop/orders"
	"github.com/musterdev/muster/shop/payments"
	"github.com/musterdev/muster/shop/shipping"
)

// The kinds of spans, as OTLP numbers them.
const (
	server   = 2
	producer = 4
	consumer = 5
)

// One order is one trace, from the shopper's request at the edge to the mail: through calls
// and events, sagas and the service in Node, in one tree without a gap. So is one that is
// refused and taken back.
func TestOneOrderIsOneTrace(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("node is not installed: the mails are sent by a program for it")
	}
	sink := newSink(t)
	f := mustertest.Config{
		Services: []muster.Service{catalog.Service, cart.Service, inventory.Service, orders.Service, payments.Service, shipping.Service, card.Service},
		Drivers:  []muster.Driver{sqlite.Driver, nats.Driver, otlp.Driver},
		Options:  []muster.Option{muster.With(otlp.Driver)}, // the broker's
		Env: map[string]string{
			"OTEL_EXPORTER_OTLP_ENDPOINT": sink.url, "OTEL_TRACES_SAMPLER": "parentbased_always_on",
			"CARD_DECLINE": "50", "CARD_DELAY": "0", "CARD_TIMEOUT": "0", "CARD_TWICE": "0",
		},
	}.Start(t)
	for path, service := range map[string]string{"/v1/products": "catalog", "/v1/carts": "cart", "/v1/orders": "orders"} {
		f.Route(path, service)
	}
	startNotify(t, f, node, sink.url)

	everyone := []string{"broker", "card", "cart", "catalog", "edge", "inventory", "notify", "orders", "payments", "shipping"}
	want := map[string][]string{
		"confirmed": everyone,
		"failed":    slices.DeleteFunc(slices.Clone(everyone), func(s string) bool { return s == "shipping" }), // nothing was sent
	}
	for n := 0; len(want) > 0; n++ {
		if n == 40 {
			t.Fatalf("after %d orders none was %v", n, want)
		}
		trace := fmt.Sprintf("%032x", 0xabc000+n)
		state := order(t, f.Edge(), trace)
		if who := want[state]; who != nil {
			tree(t, sink, trace, state, who)
			delete(want, state)
		}
	}
}

// tree waits for the spans of an order and checks that they are one tree.
func tree(t *testing.T, sink *sink, trace, state string, who []string) {
	t.Helper()
	var list []span
	var missing []string
	wait(t, state+": a whole trace", func() string {
		list, missing = sink.of(trace), nil
		known := map[string]bool{click: true}
		for _, sp := range list {
			known[sp.id] = true
		}
		for _, sp := range list {
			if !known[sp.parent] {
				missing = append(missing, sp.service+": "+sp.name)
			}
		}
		if got := services(list); !slices.Equal(got, who) {
			return fmt.Sprintf("spans of %v, want %v", got, who)
		}
		if len(missing) > 0 {
			return fmt.Sprintf("%d of %d spans have no parent: %v", len(missing), len(list), missing)
		}
		return ""
	})
	byID := map[string]span{}
	for _, sp := range list {
		byID[sp.id] = sp
	}
	roots := 0
	for _, sp := range list {
		parent := byID[sp.parent]
		switch {
		case sp.parent == click:
			if roots++; sp.service != "edge" || sp.name != "POST /v1/orders" {
				t.Errorf("%s: the first span is %s of %s", state, sp.name, sp.service)
			}
		case sp.kind == consumer && parent.kind != producer:
			t.Errorf("%s: %s of %s is not below a publication but below %s", state, sp.name, sp.service, parent.name)
		case sp.kind == producer && sp.service != parent.service:
			t.Errorf("%s: %s of %s is below %s of %s", state, sp.name, sp.service, parent.name, parent.service)
		case sp.service == "notify" && (sp.kind != server || parent.service != "broker"):
			t.Errorf("%s: %+v is below %+v", state, sp, parent)
		}
		if strings.Contains(sp.name, "/.muster") || strings.HasSuffix(sp.name, "z") && sp.kind == server {
			t.Errorf("%s: a span of the fleet's own: %s", state, sp.name)
		}
	}
	if roots != 1 {
		t.Errorf("%s: %d roots", state, roots)
	}
	undone := slices.ContainsFunc(list, func(sp span) bool { return strings.HasSuffix(sp.name, " undo") })
	if undone != (state == "failed") {
		t.Errorf("%s: steps undone: %v", state, undone)
	}
	t.Logf("%s: %d spans", state, len(list))
}

// click is the span of the shopper's own, who sends none.
const click = "00000000000000c1"

// order fills a cart, orders it in a trace, and returns what became of it.
func order(t *testing.T, edge, trace string) string {
	t.Helper()
	var got struct{ ID, State string }
	ask := func(method, path, parent string, body any) {
		t.Helper()
		text, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		r, err := http.NewRequestWithContext(t.Context(), method, edge+path, bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		if parent != "" {
			r.Header.Set("Traceparent", parent)
		}
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if text, err = io.ReadAll(res.Body); err != nil || res.StatusCode >= 300 {
			t.Fatalf("%s %s: %s %s %v", method, path, res.Status, text, err)
		}
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatal(err)
		}
	}
	ask("POST", "/v1/carts", "", nil)
	basket := got.ID
	ask("POST", "/v1/carts/"+basket+"/lines", "", map[string]any{"product": "p-1572", "quantity": 1})
	ask("POST", "/v1/orders", "00-"+trace+"-"+click+"-01", map[string]any{"cart": basket})
	id := got.ID
	wait(t, "the end of order "+id, func() string {
		if ask("GET", "/v1/orders/"+id, "", nil); got.State == "pending" {
			return "it is pending"
		}
		return ""
	})
	return got.State
}

// startNotify runs notify, registers it, and has the broker post it what is told of orders.
func startNotify(t *testing.T, f *mustertest.Fleet, node, sink string) {
	t.Helper()
	program := filepath.Join(t.TempDir(), "server.js")
	if err := os.WriteFile(program, notify.Program, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, node, program)
	cmd.Env = append(os.Environ(), "PORT=0", "MAIL_DIR="+t.TempDir(), "MUSTER_SERVICE=notify", "OTEL_EXPORTER_OTLP_ENDPOINT="+sink)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	listening, read := make(chan string, 1), make(chan struct{})
	go func() {
		defer close(read)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			var said struct{ Msg, HTTP string }
			if json.Unmarshal(lines.Bytes(), &said) == nil && said.Msg == "listening" {
				listening <- strings.TrimPrefix(said.HTTP, "http://")
			}
		}
	}()
	t.Cleanup(func() {
		stop()
		<-read
		_ = cmd.Wait() // it was killed
	})
	var address string
	select {
	case address = <-listening:
	case <-time.After(20 * time.Second):
		t.Fatal("notify does not listen")
	}
	registry, err := discovery.NewClient(discovery.ClientConfig{URL: f.URL("control")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(registry.Close)
	lease := registry.Hold(discovery.Instance{
		ID: "notify-1", Service: "notify", State: discovery.Ready, Holder: discovery.HolderSupervisor, Endpoints: map[string]string{discovery.HTTP: address},
	})
	t.Cleanup(lease.Release)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, f.URL("broker")+"/v1/subscriptions",
		strings.NewReader(`[{"service": "notify", "topic": "orders.*", "path": "/events"}]`))
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode >= 300 {
		t.Fatalf("the subscription was answered %s", res.Status)
	}
}

// wait waits until what is looked at is as it should be; look returns how it is not.
func wait(t *testing.T, what string, look func() string) {
	t.Helper()
	tick, late := time.NewTicker(20*time.Millisecond), time.NewTimer(30*time.Second)
	defer tick.Stop()
	defer late.Stop()
	for {
		said := look()
		if said == "" {
			return
		}
		select {
		case <-tick.C:
		case <-late.C:
			t.Fatalf("after 30 s: not %s: %s", what, said)
		}
	}
}
