//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/musterdev/muster/platform/fleet"
	"github.com/musterdev/muster/platform/telemetry/query"
	"github.com/musterdev/muster/shop/shopper"
)

// aDemo is the demo as its users meet it: the real binary and real processes.
type aDemo struct {
	t             *testing.T
	dir           string
	edge, control string
}

func startDemo(t *testing.T, args ...string) *aDemo {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	d := &aDemo{t: t, dir: t.TempDir()}
	out := &output{}
	cmd := exec.Command(path, append([]string{"demo", "--dir", d.dir}, args...)...)
	cmd.Env = append(os.Environ(), "MUSTER_EDGE_PORT=0", "MUSTER_CONTROL_PORT=0", "MUSTER_BROKER_PORT=0", "MUSTER_BROKER_HTTP_PORT=0")
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGINT)
		if err := cmd.Wait(); err != nil {
			t.Errorf("the demo ended with %v:\n%s", err, out)
		}
	})
	address := regexp.MustCompile(`through the edge +(http://\S+)/v1/products\n +the registry +(http://\S+)/v1`)
	within(t, 30*time.Second, "the demo to be ready", func() error {
		m := address.FindStringSubmatch(out.String())
		if m == nil {
			return fmt.Errorf("it has printed:\n%s", out)
		}
		d.edge, d.control = m[1], m[2]
		return nil
	})
	return d
}

// within waits until look returns nil.
func within(t *testing.T, bound time.Duration, what string, look func() error) {
	t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	deadline := time.Now().Add(bound)
	for {
		err := look()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("waited %s for %s: %v", bound, what, err)
		}
		<-tick.C
	}
}

// ask reads JSON.
func (d *aDemo) ask(path string, out any) error {
	res, err := http.Get(d.control + path)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s: %s", path, res.Status, text)
	}
	return json.Unmarshal(text, out)
}

// shop lets shoppers come until the test has seen what it wants.
func (d *aDemo) shop(seed uint64) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		shopper.Run(ctx, shopper.Config{URL: d.edge, Shoppers: 4, Think: 10 * time.Millisecond, Seed: seed})
	}()
	return func() { cancel(); <-ended }
}

// One placed order is one trace: the shopper's request, every service that has to do with
// it, in whatever language, and each way of an event through the broker, in one tree.
func TestOneOrderIsOneTrace(t *testing.T) {
	needNode(t)
	d := startDemo(t, "--no-visitors")
	want := []string{"cart", "catalog", "edge", "inventory", "notify", "orders", "payments", "shipping"}
	product := `{"product":"p-1572","quantity":2}`
	for range 6 { // some cards are declined, which ends an order early
		cart := d.post("/v1/carts", "")
		d.post("/v1/carts/"+cart+"/lines", product)
		d.post("/v1/orders", `{"cart":"`+cart+`"}`)
	}
	var whole query.Trace
	within(t, 20*time.Second, "the trace of the order", func() error {
		var list query.Traces
		if err := d.ask("/v1/telemetry/traces?service=edge&attr=http.request.method=POST&limit=100", &list); err != nil {
			return err
		}
		for _, one := range list.Traces {
			var names []string
			for _, part := range one.Services {
				names = append(names, part.Name)
			}
			if slices.Contains(names, "orders") && !slices.ContainsFunc(want, func(s string) bool { return !slices.Contains(names, s) }) {
				whole = query.Trace{}
				if err := d.ask("/v1/telemetry/traces/"+one.Trace.String(), &whole); err != nil {
					return err
				}
				return complete(whole) // the card processor may take its time, and longer than it is waited for
			}
		}
		text, _ := json.Marshal(list)
		return fmt.Errorf("none has them all: %s", text)
	})
	published, processed := map[string]int{}, map[string]int{}
	for i, s := range whole.Tree {
		if i > 0 && s.Depth == 0 {
			t.Errorf("%s %s: a second root", s.Service, s.Name)
		}
		if s.Kind == "producer" {
			published[s.Service+": "+s.Name]++
		}
		if s.Kind == "consumer" {
			processed[s.Service+": "+s.Name]++
		}
	}
	for _, name := range []string{"orders: publish payments.requested", "payments: publish payments.captured", "orders: publish shipping.requested", "shipping: publish shipping.booked", "orders: publish orders.confirmed"} {
		if published[name] == 0 {
			t.Errorf("no span %q among %v", name, published)
		}
	}
	for _, name := range []string{"payments: process payments.requested", "orders: process payments.captured", "shipping: process shipping.requested", "orders: process shipping.booked", "broker: process orders.confirmed"} {
		if processed[name] == 0 {
			t.Errorf("no span %q among %v", name, processed)
		}
	}
}

// complete returns which span lacks its parent.
func complete(whole query.Trace) error {
	for _, s := range whole.Tree {
		if s.Missing {
			return fmt.Errorf("%s %s: its parent %s is not there", s.Service, s.Name, s.Parent)
		}
	}
	return nil
}

func (d *aDemo) post(path, body string) (id string) {
	d.t.Helper()
	res, err := http.Post(d.edge+path, "application/json", strings.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var out struct {
		ID string `json:"id"`
	}
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode/100 != 2 || json.Unmarshal(text, &out) != nil {
		d.t.Fatalf("POST %s: %s %s %v", path, res.Status, text, err)
	}
	return out.ID
}

// The map that is drawn from traffic is the call graph that the code has.
func TestMapIsTheCallGraph(t *testing.T) {
	needNode(t)
	d := startDemo(t, "--no-visitors")
	defer d.shop(11)()
	want := callGraph(t)
	var got map[string]bool
	within(t, 150*time.Second, "the map to be whole", func() error {
		var m query.Map
		if err := d.ask("/v1/telemetry/map?window=5m", &m); err != nil {
			return err
		}
		got = map[string]bool{}
		for _, e := range m.Edges {
			if e.Kind != "query" {
				got[e.From+" "+e.Kind+" "+e.To] = true
			}
		}
		for edge := range want {
			if !got[edge] {
				return fmt.Errorf("it lacks %q: it has %q", edge, slices.Sorted(maps.Keys(got)))
			}
		}
		return nil
	})
	for edge := range got {
		if !want[edge] {
			t.Errorf("the map has %q, and the code has not", edge)
		}
	}
}

// callGraph reads the shop's code and its muster.yaml: whom a service dials, and whose
// topics it takes. What the shoppers ask for stands here.
func callGraph(t *testing.T) map[string]bool {
	t.Helper()
	edges := map[string]bool{"user call edge": true, "edge call catalog": true, "edge call cart": true, "edge call orders": true}
	shop := filepath.Join("..", "..", "..", "shop")
	f, err := fleet.Load(filepath.Join(shop, "muster.yaml"), fleet.Options{})
	if err != nil {
		t.Fatal(err)
	}
	topics := map[string]string{} // by the name of their variable
	for _, m := range regexp.MustCompile(`(\w+)\s+= bus\.Topic\[\w+\]\{Name: "([^"]+)"`).FindAllStringSubmatch(source(t, filepath.Join(shop, "events")), -1) {
		topics[m[1]] = m[2]
	}
	publisher := map[string]string{}
	for _, s := range f.Services {
		for _, topic := range s.Publishes {
			publisher[topic] = s.Name
		}
	}
	for _, s := range f.Services {
		code := source(t, filepath.Join(shop, s.Name))
		for _, m := range regexp.MustCompile(`app\.(?:Dial|Client)\("([^"]+)"\)`).FindAllStringSubmatch(code, -1) {
			edges[s.Name+" call "+m[1]] = true
		}
		for _, m := range regexp.MustCompile(`(?:app\.On\(|projection\.On\(p, )events\.(\w+)`).FindAllStringSubmatch(code, -1) {
			edges[publisher[topics[m[1]]]+" event "+s.Name] = true
		}
		for _, on := range s.On {
			for topic, from := range publisher {
				if strings.HasPrefix(topic, strings.TrimSuffix(on.Topic, "*")) {
					edges[from+" event "+s.Name] = true
				}
			}
		}
	}
	if len(edges) < 10 || edges[" event "] {
		t.Fatalf("the code was not understood: %q", slices.Sorted(maps.Keys(edges)))
	}
	return edges
}

// source is the Go code of a folder, without its tests.
func source(t *testing.T, dir string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var all bytes.Buffer
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	return all.String()
}

// needNode skips where the shop's service in another language cannot run.
func needNode(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("node"); err != nil {
		t.Skip("suite Node: node is not installed: run scripts/install-test-deps.sh")
	}
}
