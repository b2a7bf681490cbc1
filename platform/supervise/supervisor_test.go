//go:build unix

package supervise

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/platform/supervise/event"
	"github.com/musterdev/muster/platform/supervise/instance"
	"github.com/musterdev/muster/platform/supervise/internal/testchild"
	"github.com/musterdev/muster/platform/supervise/plan"
	"github.com/musterdev/muster/platform/supervise/ports"
)

// anEngine is a test child as a part of the platform.
func anEngine(t *testing.T, name, role string) Engine {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	port := l.Addr().(*net.TCPAddr).Port
	variable, value := testchild.Variable(role)
	return Engine{
		Name: name, Argv: testchild.Command(t), Port: port, Setting: "--" + name + "-port",
		Env: []string{fmt.Sprintf("PORT=%d", port), variable + "=" + value},
	}
}

func TestUpAndDown(t *testing.T) {
	w := newWorld(t, func(c *Config) {
		front := anEngine(t, "edge", testchild.Ready)
		front.Front = true
		c.Engines = []Engine{anEngine(t, "control", testchild.Ready), front}
	},
		aService("orders", testchild.Ready, ", replicas: 2, version: v7"),
		aService("catalog", testchild.NoPage, ""),
		aService("stock", testchild.Leased, ""),
		aService("worker", testchild.Silent, ", ready: none"),
	)
	w.up()
	st := w.Status()
	if st.Phase != Ready || st.Fleet != "test" || st.PID != os.Getpid() || len(st.Engines) != 2 || len(st.Services) != 4 {
		t.Errorf("status = %+v", st)
	}
	if s := w.status("orders"); s.Want != 2 || s.Ready != 2 || !slices.Equal(w.ids("orders"), []string{"orders-1", "orders-2"}) {
		t.Errorf("orders = %+v", s)
	}

	// The supervisor holds the leases of those that do not.
	testchild.Eventually(t, 10*time.Second, "orders and catalog are registered", func() bool {
		return len(w.registered("orders")) == 2 && len(w.registered("catalog")) == 1
	})
	in := w.registered("orders")[0]
	port := w.status("orders").Instances[0].Port
	if in.ID != "orders-1" || in.Holder != discovery.HolderSupervisor || in.State != discovery.Ready || in.Version != "v7" ||
		len(in.Endpoints) != 1 || in.Endpoints[discovery.HTTP] != plan.Local(port) {
		t.Errorf("registered %+v", in)
	}
	if answer := get(port, "/hello"); !strings.HasPrefix(answer, "orders-1 hello ") {
		t.Errorf("orders-1 says %q", answer)
	}
	if got := w.registered("stock"); len(got) != 0 { // the child only says so
		t.Errorf("the supervisor registered an instance that holds its own lease: %+v", got)
	}
	if lease := w.one("stock").Lease; lease != discovery.HolderSelf {
		t.Errorf("lease of stock = %q", lease)
	}
	if got := w.registered("worker"); len(got) != 0 {
		t.Errorf("the worker listens nowhere, but is registered: %+v", got)
	}

	if err := w.Down(w.ctx()); err != nil {
		t.Fatal(err)
	}
	if err := <-w.ended; err != nil {
		t.Errorf("Run = %v", err)
	}
	w.ended <- nil
	w.nobodyLeft()
	if got := w.registered("orders"); len(got) != 0 {
		t.Errorf("still registered: %+v", got)
	}
	ends := []string{}
	for _, e := range w.all() {
		if e.Kind == event.Stopped {
			ends = append(ends, e.Service)
			if e.Detail != "" {
				t.Errorf("%s: %s", e.Instance, e.Detail)
			}
		}
	}
	if ends[0] != "edge" || ends[len(ends)-1] != "control" {
		t.Errorf("ended in the order %v", ends)
	}
	if err := w.Scale(w.ctx(), "orders", 3); !errors.Is(err, ErrNotReady) {
		t.Errorf("scale after down: %v", err)
	}
}

func TestContextEndsTheFleet(t *testing.T) {
	w := newWorld(t, nil, aService("orders", testchild.Ready, ""))
	ctx, cancel := context.WithCancel(context.Background())
	go func() { w.ended <- w.Run(ctx) }()
	w.await(event.FleetReady, "")
	cancel()
	if err := <-w.ended; err != nil {
		t.Errorf("Run = %v", err)
	}
	w.nobodyLeft()
	if err := w.Run(context.Background()); err == nil {
		t.Error("Run can be called twice")
	}
}

func TestFailureAtStartStopsEverythingAndSaysWhy(t *testing.T) {
	for name, c := range map[string]struct {
		service string
		want    string // of the first line
		details string
	}{
		"exits": {
			aService("bad", testchild.Exit3, ""),
			`service "bad" (bad-1) exited with code 3 before it was ready`,
			"\n    reading the configuration\n    the configuration is broken",
		},
		"never ready": {
			aService("bad", testchild.Never, ", ready: {check: /readyz, within: 300ms}"),
			`service "bad" (bad-1) was not ready within 300ms; last probe: GET http://127.0.0.1:PORT/readyz: 503 Service Unavailable: the cache is cold`,
			"\n    never bad-1 listens on 127.0.0.1:PORT",
		},
		"listens nowhere": {
			aService("bad", testchild.Silent, ", ready: {check: tcp, within: 300ms}"),
			`service "bad" (bad-1) was not ready within 300ms; last probe: connect to 127.0.0.1:PORT: connection refused: nobody listens there`,
			"\n    working",
		},
		"missing program": {
			"  bad: {run: ./no-such-program}\n",
			`service "bad" (bad-1) cannot be started: there is no ./no-such-program; build it, or correct "run": fork/exec ./no-such-program: no such file or directory`,
			"\n    (it printed nothing)",
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(c *Config) { c.Engines = []Engine{anEngine(t, "control", testchild.Ready)} },
				aService("good", testchild.Family, ", replicas: 2, stop_grace: 1s"), c.service)
			w.start()
			err := w.fails()
			w.nobodyLeft()
			got := event.Explain(err)
			for _, e := range w.all() {
				if e.Service == "bad" {
					got = strings.ReplaceAll(got, fmt.Sprint(e.Port), "PORT")
				}
			}
			line, details, _ := strings.Cut(got, "\n")
			if !strings.HasPrefix(line, c.want) || !strings.HasPrefix("\n"+details, c.details) {
				t.Errorf("the message is\n%s\nwant\n%s%s", got, c.want, c.details)
			}
			var failure *instance.Failure
			if !errors.As(err, &failure) || failure.Service != "bad" {
				t.Errorf("err = %#v", err)
			}
			if len(w.registered("good")) != 0 {
				t.Error("good is still registered")
			}
		})
	}
}

func TestEngineFailureAtStart(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Engines = []Engine{anEngine(t, "control", testchild.Exit3)} },
		aService("orders", testchild.Ready, ""))
	w.start()
	if err := w.fails(); !strings.HasPrefix(err.Error(), `engine "control" (control) exited with code 3 before it was ready`) {
		t.Errorf("err = %v", err)
	}
	for _, e := range w.all() {
		if e.Service == "orders" {
			t.Errorf("orders was touched: %+v", e)
		}
	}
}

func TestTakenPortStopsBeforeAnythingStarts(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	port := l.Addr().(*net.TCPAddr).Port
	for name, c := range map[string]struct {
		engine  bool
		service string
		want    string
	}{
		"engine":  {true, aService("a", testchild.Ready, ""), "choose another port with --edge-port"},
		"service": {false, aService("a", testchild.Ready, fmt.Sprintf(", port: %d", port)), `choose another port with "port" of the service (`},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(cfg *Config) {
				if c.engine {
					cfg.Engines = []Engine{{Name: "edge", Argv: testchild.Command(t), Port: port, Setting: "--edge-port"}}
				}
			}, c.service)
			w.start()
			err := w.fails()
			var taken *ports.TakenError
			if !errors.As(err, &taken) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("err = %v", err)
			}
			if n := w.mark(); n != 0 {
				t.Errorf("%d events", n)
			}
		})
	}
}

func TestStopBound(t *testing.T) {
	w := newWorld(t, nil, aService("deaf", testchild.Deaf, ", replicas: 2, stop_grace: 200ms"))
	w.up()
	began := time.Now()
	if err := w.Down(w.ctx()); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < 200*time.Millisecond || took > 10*time.Second {
		t.Errorf("down took %v", took)
	}
	w.nobodyLeft()
	if e := w.await(event.Stopped, "deaf-1"); e.Detail != "did not end within 200ms" {
		t.Errorf("event %+v", e)
	}
}
