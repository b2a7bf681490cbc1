package broker_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/musterdev/muster"
	"github.com/musterdev/muster/drivers/sqlite"
	"github.com/musterdev/muster/platform/broker"
	"github.com/musterdev/muster/problem"
)

func TestAnEventIsTakenOnceAndPosted(t *testing.T) {
	notify := &received{}
	r := start(t, t.TempDir(), broker.Config{}, notify.service("notify"))
	r.subscribe(broker.Subscription{Service: "notify", Topic: "orders.*", Path: "/events"})
	r.publish("orders.placed", "1", "k")
	r.publish("orders.failed", "2", "k")
	r.publish("payments.captured", "3", "k")
	if _, body, _ := r.ask("POST", "/v1/events", "1", "ce-specversion", "1.0", "ce-id", "1", "ce-source", "/test", "ce-type", "orders.placed",
		"Content-Type", "text/plain", "ce-partitionkey", "k"); body != `{"stored":0,"known":1}`+"\n" {
		t.Error("sent again:", body)
	}
	until(t, "both events came", func() bool { return len(notify.got()) >= 2 })
	if got := fmt.Sprint(notify.got()); got != "[orders.placed 1 orders.failed 2]" {
		t.Error(got)
	}
	until(t, "the group is through", func() bool {
		_, body, _ := r.ask("GET", "/v1/groups", "")
		return strings.Contains(body, `{"name":"notify","topics":["orders.*"],"lag":0`)
	})
	_, body, _ := r.ask("GET", "/v1/topics", "")
	var topics []struct {
		Name     string
		Messages int
	}
	if err := json.Unmarshal([]byte(body), &topics); err != nil || fmt.Sprint(topics) != "[{orders.failed 1} {orders.placed 1} {payments.captured 1}]" {
		t.Error(topics, body, err)
	}
}

func TestABatchOverHTTP(t *testing.T) {
	r := start(t, t.TempDir(), broker.Config{})
	event := func(id, topic string) string {
		return fmt.Sprintf(`{"specversion":"1.0","id":%q,"source":"/test","type":%q,"data":{"n":1}}`, id, topic)
	}
	const batch = "application/cloudevents-batch+json"
	if status, body, _ := r.ask("POST", "/v1/events", "["+event("1", "orders.placed")+","+event("2", "payments.asked")+"]", "Content-Type", batch); status != 202 || body != `{"stored":2,"known":0}`+"\n" {
		t.Error(status, body)
	}
	if status, body, _ := r.ask("POST", "/v1/events", "[]", "Content-Type", batch); status != 202 || body != `{"stored":0,"known":0}`+"\n" {
		t.Error(status, body)
	}
	if status, body, _ := r.ask("POST", "/v1/events", event("3", "orders.placed"), "Content-Type", "application/cloudevents+json"); status != 202 {
		t.Error(status, body)
	}
}

func TestBadRequestsAreProblems(t *testing.T) {
	r := start(t, t.TempDir(), broker.Config{})
	good := []string{"ce-specversion", "1.0", "ce-id", "1", "ce-source", "/test", "ce-type", "orders.placed"}
	with := func(more ...string) []string { return append(append([]string{}, good...), more...) }
	large := strings.Repeat("x", 512<<10+1)
	for _, tc := range []struct {
		name, method, path, body string
		headers                  []string
		status                   int
		says                     []string
	}{
		{"no event", "POST", "/v1/events", "{}", nil, 400, []string{"ce-id"}},
		{"no type", "POST", "/v1/events", "", []string{"ce-specversion", "1.0", "ce-id", "1", "ce-source", "/test"}, 400, []string{"ce-type"}},
		{"bad type", "POST", "/v1/events", "", with("ce-type", "Orders"), 400, []string{"ce-type"}},
		{"bad time", "POST", "/v1/events", "", with("ce-time", "yesterday"), 400, []string{"ce-time"}},
		{"old version", "POST", "/v1/events", "", with("ce-specversion", "0.3"), 400, []string{"ce-specversion"}},
		{"large", "POST", "/v1/events", large, good, 413, []string{"body"}},
		{"large batch", "POST", "/v1/events", "[" + strings.Repeat(" ", 5<<20), []string{"Content-Type", "application/cloudevents-batch+json"}, 413, []string{"body"}},
		{"bad JSON", "POST", "/v1/events", "{", []string{"Content-Type", "application/cloudevents+json"}, 400, nil},
		{"bad in a batch", "POST", "/v1/events", `[{"specversion":"1.0","id":"1","source":"/t","type":"a.b"},{"specversion":"1.0","id":"1","type":"a.b"}]`, []string{"Content-Type", "application/cloudevents-batch+json"}, 400, []string{"source"}},
		{"subscriptions: no JSON", "PUT", "/v1/subscriptions", "notify", nil, 400, []string{"service"}},
		{"subscriptions: unknown field", "PUT", "/v1/subscriptions", `[{"service":"notify","topic":"a.b","path":"/","retries":1}]`, nil, 400, []string{"retries"}},
		{"subscriptions: service", "PUT", "/v1/subscriptions", `[{"service":"Notify","topic":"a.b","path":"/"}]`, nil, 400, []string{`"0.service"`}},
		{"subscriptions: topic", "PUT", "/v1/subscriptions", `[{"service":"notify","topic":"a.b","path":"/"},{"service":"notify","topic":"*","path":"/"}]`, nil, 400, []string{`"1.topic"`}},
		{"subscriptions: twice", "PUT", "/v1/subscriptions", `[{"service":"notify","topic":"a.b","path":"/"},{"service":"notify","topic":"a.b","path":"/x"}]`, nil, 400, []string{`"1.topic"`, "already"}},
		{"subscriptions: path", "PUT", "/v1/subscriptions", `[{"service":"notify","topic":"a.b","path":"http://evil/"}]`, nil, 400, []string{`"0.path"`}},
		{"subscriptions: large", "PUT", "/v1/subscriptions", strings.Repeat(" ", 1<<20+1), nil, 413, nil},
		{"subscriptions: more behind", "PUT", "/v1/subscriptions", "[] []", nil, 400, nil},
		{"parked: unknown", "POST", "/.muster/bus/parked/99/redrive", "", nil, 404, nil},
		{"nothing there", "GET", "/v1/else", "", nil, 404, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := &rig{t: t, url: r.url}
			status, body, header := r.ask(tc.method, tc.path, tc.body, tc.headers...)
			if status != tc.status || header.Get("Content-Type") != problem.ContentType {
				t.Errorf("%d %s: %s", status, header.Get("Content-Type"), body)
			}
			for _, w := range tc.says {
				if !strings.Contains(body, w) {
					t.Errorf("%s does not say %q", body, w)
				}
			}
		})
	}
	if _, body, _ := r.ask("GET", "/v1/topics", ""); body != "[]\n" {
		t.Error("something of them was stored: ", body)
	}
	if _, body, _ := r.ask("GET", "/v1/subscriptions", ""); body != "[]\n" {
		t.Error("something of them was subscribed: ", body)
	}
}

func TestSubscriptionsSurviveARestart(t *testing.T) {
	dir := t.TempDir()
	one := start(t, dir, broker.Config{})
	one.subscribe(broker.Subscription{Service: "notify", Topic: "orders.*", Path: "/events"})
	one.publish("orders.placed", "1", "k")
	one.stop()
	notify := &received{}
	start(t, dir, broker.Config{}, notify.service("notify"))
	until(t, "the event came", func() bool { return len(notify.got()) == 1 })
}

func TestARemovedSubscriptionStops(t *testing.T) {
	notify := &received{}
	r := start(t, t.TempDir(), broker.Config{}, notify.service("notify"))
	lag := func() int64 {
		_, body, _ := r.ask("GET", "/v1/groups", "")
		var groups []struct{ Lag int64 }
		if err := json.Unmarshal([]byte(body), &groups); err != nil || len(groups) != 1 {
			t.Fatal(body, err)
		}
		return groups[0].Lag
	}
	r.subscribe(broker.Subscription{Service: "notify", Topic: "orders.*", Path: "/events"})
	r.publish("orders.placed", "1", "k")
	until(t, "the event came", func() bool { return len(notify.got()) == 1 })
	r.subscribe()
	until(t, "nobody posts", func() bool { // what is in the stopping consumer's hands may still come
		before := len(notify.got())
		r.publish("orders.placed", fmt.Sprintf("gone-%d-%d", before, time.Now().UnixNano()), "k")
		return lag() > 0
	})
	before := len(notify.got())
	r.publish("orders.failed", "2", "k")
	r.subscribe(broker.Subscription{Service: "notify", Topic: "orders.failed", Path: "/events"})
	until(t, "it is posted to again", func() bool { return len(notify.got()) > before })
	until(t, "the topic that was given up is through", func() bool { return lag() == 0 })
	if got := notify.got(); len(got) != before+1 || got[before] != "orders.failed 2" {
		t.Error(got)
	}
	if _, body, _ := r.ask("GET", "/.muster/bus/parked", ""); !strings.Contains(body, `"parked":[]`) {
		t.Error(body)
	}
}

func TestAnOutsideBroker(t *testing.T) {
	server, err := broker.Start(t.Context(), broker.Config{StoreDir: t.TempDir()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Stop()
	notify := &received{}
	r := start(t, t.TempDir(), broker.Config{External: server.URL()}, notify.service("notify"))
	defer r.stop()
	r.subscribe(broker.Subscription{Service: "notify", Topic: "orders.*", Path: "/events"})
	r.publish("orders.placed", "1", "k")
	until(t, "the event came", func() bool { return len(notify.got()) == 1 })
}

func TestWhatCannotStartSaysWhy(t *testing.T) {
	server, err := broker.Start(t.Context(), broker.Config{StoreDir: t.TempDir()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Stop()
	var port int
	if _, err := fmt.Sscanf(server.URL(), "nats://127.0.0.1:%d", &port); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		cfg  broker.Config
		says string
	}{
		"port in use": {broker.Config{Port: port, StoreDir: t.TempDir()}, "address already in use"},
		"no folder":   {broker.Config{}, "set StoreDir"},
		"not a folder": {broker.Config{StoreDir: func() string {
			f := filepath.Join(t.TempDir(), "file")
			if err := writeFile(f, "x"); err != nil {
				t.Fatal(err)
			}
			return f
		}()}, "folder for the messages"},
	} {
		s, err := broker.Start(t.Context(), tc.cfg, nil)
		if err == nil {
			s.Stop()
			t.Errorf("%s: it started", name)
		} else if !strings.Contains(err.Error(), tc.says) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
	}
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad.json")
	if err := writeFile(bad, `[{"service":"notify"}]`); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"DATABASE_URL": "sqlite:" + filepath.Join(dir, "parked.db")}
	err = muster.Run(t.Context(), []muster.Service{broker.Service(broker.Config{StoreDir: dir, Subscriptions: bad})}, muster.With(sqlite.Driver),
		muster.Environment(func(name string) (string, bool) { v, ok := env[name]; return v, ok }), muster.LogTo(&bytes.Buffer{}))
	if err == nil || !strings.Contains(err.Error(), bad) || !strings.Contains(err.Error(), "topic") {
		t.Error(err)
	}
}
