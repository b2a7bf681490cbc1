package ops_test

import (
	"bytes"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/data/saga"
	"github.com/musterdev/muster/platform/ops"
	"github.com/musterdev/muster/problem"
)

// newBroker is a broker that knows some groups and has a message parked for notify.
func newBroker(t *testing.T, groups string) string {
	t.Helper()
	parked := newService(t, "broker")
	parked.park(t, "notify", "n-1", false)
	inner := parked.handler
	mux := http.NewServeMux()
	mux.Handle("/", inner)
	mux.HandleFunc("GET /v1/groups", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprint(w, groups)
	})
	return serve(t, mux)
}

const fourGroups = `[{"name": "notify", "topics": ["a.*"]}, {"name": "orders", "topics": ["b.*"]}, {"name": "asleep", "topics": ["c.*"]}, {"name": "idle", "topics": ["d.*"]}]`

// What is parked is not hidden behind a lag of nothing, and what nobody told is not
// taken for nothing.
func TestLagShowsWhatIsParked(t *testing.T) {
	orders := newService(t, "orders")
	orders.park(t, "orders", "e-1", true)
	orders.park(t, "orders", "e-2", false)
	orders.park(t, "orders", "e-3", false)
	if _, err := orders.db.ExecContext(t.Context(), `UPDATE muster_parked SET attempts = 4, parked = parked - 60000 WHERE event = 'e-2'`); err != nil {
		t.Fatal(err)
	}
	f := &ops.Fleet{Services: append([]ops.Service{orders.Service, {Name: "asleep", Stopped: true}}, foreign(t)...), Broker: newBroker(t, fourGroups)}
	l, err := f.Lag(t.Context())
	if err == nil || err.Error() != "asleep: it has no instance to ask: muster scale gives it one" {
		t.Error(err)
	}
	var text bytes.Buffer
	if err := ops.WriteLag(&text, l); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`notify +0 +0 +0s +1 \(\d+s, not tried\) +0 +a`, `orders +0 +0 +0s +2 \(1m\d+s, 4 tries\) +1 +b`,
		`asleep +0 +0 +0s +- +- +c`, `idle +0 +0 +0s +0 +0 +d`,
	} {
		if !regexp.MustCompile(`(?m)^` + want).MatchString(text.String()) {
			t.Errorf("no %s in\n%s", want, &text)
		}
	}
	f.Broker = "http://127.0.0.1:1"
	l, err = f.Lag(t.Context())
	if err == nil || strings.Count(err.Error(), "broker does not answer") != 1 {
		t.Errorf("the broker is away: %v", err)
	}
	text.Reset()
	if err := ops.WriteLag(&text, l); err != nil || !regexp.MustCompile(`(?m)^orders +- +- +- +2 \(1m\d+s, 4 tries\) +1 +-$`).MatchString(text.String()) {
		t.Errorf("%v\n%s", err, &text)
	}
}

func TestParked(t *testing.T) {
	orders := newService(t, "orders")
	for _, id := range []string{"e-1", "e-2"} {
		orders.park(t, "orders", id, id == "e-1")
	}
	m := bus.Msg{ID: "e-3", Source: "/test", Topic: "test.happened", Key: "e-1", Time: time.Now(), ContentType: "application/json", Data: []byte("{}")}
	if err := orders.parked.Park(t.Context(), bus.Parked{Msg: m, Group: "orders"}); err != nil {
		t.Fatal(err)
	}
	f := &ops.Fleet{Services: append([]ops.Service{orders.Service}, foreign(t)...)}
	list, more, err := f.Parked(t.Context(), "orders")
	if err != nil || more || len(list) != 3 {
		t.Fatal(list, more, err)
	}
	var text bytes.Buffer
	if err := ops.WriteParked(&text, list, false); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`/1 .* none, dead +no…$`, `/2 .* in (1h0m0s|59m\d+s) +no…$`, `/3 .* after orders/1 *$`} {
		if !regexp.MustCompile(`(?m)^orders` + want).MatchString(text.String()) {
			t.Errorf("no %s in\n%s", want, &text)
		}
	}
	if list, _, err := f.Dead(t.Context(), "orders"); err != nil || len(list) != 1 {
		t.Errorf("dead: %v, %v", list, err)
	}
}

// A service without an instance is not one without sagas and messages; what is named
// whole, and found elsewhere, is settled all the same.
func TestStoppedServices(t *testing.T) {
	orders := newService(t, "orders", "checkout")
	orders.park(t, "orders", "e-1", true)
	f := &ops.Fleet{Services: []ops.Service{{Name: "asleep", Stopped: true}, orders.Service}}
	orders.start(t, f, "checkout", "o-1")
	const want = "asleep: it has no instance to ask: muster scale gives it one"
	list, _, err := f.Sagas(t.Context(), saga.Filter{})
	if len(list) != 1 || err == nil || err.Error() != want {
		t.Errorf("%v, %v", list, err)
	}
	if _, err := f.Saga(t.Context(), ops.SagaName{ID: "o-1"}); err == nil || err.Error() != want {
		t.Errorf("it may have an o-1 too: %v", err)
	}
	if d, err := f.Saga(t.Context(), ops.SagaName{Name: "checkout", ID: "o-1"}); err != nil || d.Service != "orders" {
		t.Errorf("%v, %v", d, err)
	}
	if _, err := f.Saga(t.Context(), ops.SagaName{Service: "asleep", Name: "checkout", ID: "o-1"}); err == nil || err.Error() != want {
		t.Error(err)
	}
	if list, _, err := f.Dead(t.Context(), ""); len(list) != 1 || err == nil || err.Error() != want {
		t.Errorf("%v, %v", list, err)
	}
	for _, name := range []string{"1", "asleep/1"} {
		if _, err := f.Settle(t.Context(), name, "redrive"); err == nil || err.Error() != want {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n, err := f.RedriveAll(t.Context(), "orders"); n != 1 || err == nil || err.Error() != want {
		t.Errorf("%d, %v", n, err)
	}
}

func TestRedriveAllOfNoGroup(t *testing.T) {
	f := &ops.Fleet{Broker: newBroker(t, fourGroups)}
	for group, want := range map[string]string{
		"idle":   "",
		"notify": "", // has one that waits, none that is dead
		"order":  "no group is called order: did you mean orders?",
		"nosuch": "no group is called nosuch: there are asleep, idle, notify, orders",
	} {
		n, err := f.RedriveAll(t.Context(), group)
		if n != 0 || (err == nil) != (want == "") || err != nil && (problem.CodeOf(err) != problem.NotFound || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %d, %v", group, n, err)
		}
	}
}

// However the broker is silent, it is named, in one line and without the words of a
// client's library.
func TestSilentBroker(t *testing.T) {
	for name, end := range map[string]http.HandlerFunc{
		"ends the connection": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"resets it": func(w http.ResponseWriter, _ *http.Request) {
			c, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			_ = c.(interface{ SetLinger(int) error }).SetLinger(0)
			_ = c.Close()
		},
		"is another program": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("hello")) },
	} {
		f := &ops.Fleet{Broker: serve(t, end)}
		_, topics := f.Topics(t.Context())
		_, lag := f.Lag(t.Context())
		for verb, err := range map[string]error{"topics": topics, "lag": lag} {
			if err == nil || !strings.HasPrefix(err.Error(), "unavailable: the broker does not answer at "+f.Broker+": ") ||
				!strings.HasSuffix(err.Error(), ": see muster ps and muster logs broker") || strings.ContainsAny(err.Error(), "\n\"") {
				t.Errorf("%s, %s: %v", name, verb, err)
			}
		}
		if name == "is another program" {
			continue
		}
		if _, _, err := f.Dead(t.Context(), ""); err == nil || !strings.HasPrefix(err.Error(), "the broker does not answer at "+f.Broker+": ") || strings.Contains(err.Error(), "Get") {
			t.Errorf("%s, dead: %v", name, err)
		}
	}
}
